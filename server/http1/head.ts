/**
 * The two kinds of head as lazy views on their bytes.
 *
 * Strategy: what the connection needs at once (framing, versions, options) is plain data, read while the head was checked;
 * method, target and fields become strings when asked for. A parser uses a view again unless it was retained.
 *
 * @module
 */
import { isAuthority } from "./authority.ts";
import { FieldsView } from "./fields.ts";
import { isText, latin1, QUESTION, SLASH, STAR } from "./grammar.ts";
import type { HeadStore } from "./head_store.ts";
import type { Meaning } from "./meaning.ts";
import type { Framing, MessageHead, RequestHead, ResponseHead } from "./message.ts";
import type { RefusalId } from "./refusals.ts";
import { OFFSETS_PER_FIELD } from "./section_scanner.ts";
import type { RequestScanner, ResponseScanner } from "./start_line.ts";

const NO_BODY: Framing = Object.freeze({ kind: "none" });
const CHUNKED: Framing = Object.freeze({ kind: "chunked" });
const CLOSE: Framing = Object.freeze({ kind: "close" });

/** Methods that share a string, most frequent first. */
const METHODS = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"] as const;

/** What both kinds share. */
abstract class HeadView extends FieldsView implements MessageHead {
  minorVersion: 0 | 1 = 1;
  framing: Framing = NO_BODY;
  keepAlive = true;
  isUpgrade = false;
  wireBytes = 0;
  /** Whether the bytes are the view's own. */
  isRetained = false;
  readonly #store: HeadStore | null;

  constructor(store: HeadStore | null) {
    super();
    this.#store = store;
  }

  /** Where the head's bytes are, from `wireStart`, `wireBytes` of them. */
  get wire(): Uint8Array {
    return this.bytes;
  }

  /** See `wire`. */
  get wireStart(): number {
    return this.base;
  }

  retain(): this {
    if (this.isRetained) return this;
    const { base, bytes } = this;
    const end = base + this.wireBytes;
    this.offsets = this.offsets.slice(0, this.count * OFFSETS_PER_FIELD);
    if (this.#store === null) {
      this.source = bytes.slice(base, end);
      this.base = 0;
    } else {
      this.base = this.#store.keep(bytes, base, end);
      this.source = this.#store.bytes;
    }
    this.isRetained = true;
    return this;
  }
}

/** A request's head; see `RequestHead`. */
export class RequestHeadView extends HeadView implements RequestHead {
  targetForm: RequestHead["targetForm"] = "origin";
  expectsContinue = false;
  #methodEnd = 0;
  #targetEnd = 0;
  #authorityStart = 0;
  #authorityEnd = 0;
  #method: string | null = null;
  #target: string | null = null;

  /**
   * Takes a head whose lines are well-formed, and checks what they say together.
   *
   * @returns the rule that was broken, or `null`
   */
  load(scanner: RequestScanner, meaning: Meaning): RefusalId | null {
    this.lend(scanner.source, scanner.base, scanner.offsets, scanner.count);
    const refusal = meaning.read(scanner.source, scanner.base, scanner.offsets, scanner.count, true);
    if (refusal !== null) return refusal;
    this.wireBytes = scanner.scanned;
    this.minorVersion = scanner.minorVersion;
    this.#methodEnd = scanner.methodEnd;
    this.#targetEnd = scanner.targetEnd;
    this.#target = null;
    const method = this.#readMethod(scanner.source, scanner.base, scanner.methodEnd);
    this.#method = method;
    return this.#readTarget(method, meaning.hostIndex) ?? this.#readMeaning(meaning, method);
  }

  get method(): string {
    return this.#method ??= latin1(this.bytes, this.base, this.base + this.#methodEnd);
  }

  get target(): string {
    return this.#target ??= latin1(this.bytes, this.base + this.#methodEnd + 1, this.base + this.#targetEnd);
  }

  /**
   * Host and port the request is for: the target's in absolute and authority form (RFC 9112 §3.2.2: it wins), else
   * Host's; empty without one.
   */
  get authority(): string {
    return latin1(this.bytes, this.base + this.#authorityStart, this.base + this.#authorityEnd);
  }

  /** The shared string of a well-known method, else `null`: it is made when asked for. */
  #readMethod(bytes: Uint8Array, base: number, length: number): string | null {
    for (const method of METHODS) {
      if (method.length === length && isExactly(bytes, base, method)) return method;
    }
    return null;
  }

  /** RFC 9112 §3.2: which form the target has, and whether the method may have it. */
  #readTarget(method: string | null, hostIndex: number): RefusalId | null {
    const bytes = this.bytes;
    const start = this.base + this.#methodEnd + 1;
    const end = this.base + this.#targetEnd;
    if (hostIndex === -1) {
      // §3.2: on 1.1 there must be one, whatever the target's form.
      if (this.minorVersion === 1) return "host-missing";
      this.#authorityStart = this.#authorityEnd = 0;
    } else {
      this.#authorityStart = this.offsets[hostIndex * OFFSETS_PER_FIELD + 2]!;
      this.#authorityEnd = this.offsets[hostIndex * OFFSETS_PER_FIELD + 3]!;
    }
    if (method === "CONNECT") {
      this.targetForm = "authority";
      this.#authorityStart = start - this.base;
      this.#authorityEnd = this.#targetEnd;
      if (bytes[start] === SLASH || hasScheme(bytes, start, end) !== 0) return "target-form";
      return isAuthority(bytes, start, end, true) ? null : "target-authority";
    }
    if (bytes[start] === SLASH) {
      this.targetForm = "origin";
      return null;
    }
    if (bytes[start] === STAR && end - start === 1) {
      this.targetForm = "asterisk";
      return method === "OPTIONS" ? null : "target-form";
    }
    return this.#readAbsolute(bytes, start, end);
  }

  /** RFC 9112 §3.2.2 with RFC 9110 §4.2: `http` or `https`, a host, no user information. */
  #readAbsolute(bytes: Uint8Array, start: number, end: number): RefusalId | null {
    const schemeBytes = hasScheme(bytes, start, end);
    if (schemeBytes === 0) return "target-form";
    this.targetForm = "absolute";
    const authorityStart = start + schemeBytes;
    let authorityEnd = authorityStart;
    while (authorityEnd < end && bytes[authorityEnd] !== SLASH && bytes[authorityEnd] !== QUESTION) {
      authorityEnd++;
    }
    this.#authorityStart = authorityStart - this.base;
    this.#authorityEnd = authorityEnd - this.base;
    return isAuthority(bytes, authorityStart, authorityEnd, false) ? null : "target-authority";
  }

  /** RFC 9112 §6.3 (length), §9.3 (persistence). */
  #readMeaning(meaning: Meaning, method: string | null): RefusalId | null {
    const is11 = this.minorVersion === 1;
    if (meaning.hasCoding) {
      if (!is11) return "coding-version";
      if (meaning.length !== -1) return "length-with-coding";
      if (!meaning.isChunked) return "coding-syntax";
      if (meaning.hasOtherCoding) return "coding-unknown";
      this.framing = CHUNKED;
    } else {
      this.framing = meaning.length === -1 ? NO_BODY : { kind: "length", length: meaning.length };
    }
    const hasContent = meaning.hasCoding || meaning.length > 0;
    const isConnect = method === "CONNECT";
    if (isConnect && hasContent) return "connect-content";
    // What follows CONNECT is the tunnel's, whatever the answer: it is never parsed as another request.
    this.keepAlive = !isConnect && !meaning.hasClose && (is11 || meaning.hasKeepAlive);
    // RFC 9110 §7.8: ignored on HTTP/1.0. §10.1.1: likewise, and without content there is nothing to wait for.
    this.isUpgrade = is11 && meaning.hasUpgrade && meaning.hasUpgradeOption;
    this.expectsContinue = is11 && meaning.hasExpect && hasContent;
    return null;
  }
}

/** A response's head; see `ResponseHead`. */
export class ResponseHeadView extends HeadView implements ResponseHead {
  status = 0;
  isInterim = false;
  /** Whether the connection is a tunnel or speaks another protocol from here on (101, 2xx to CONNECT). */
  isSwitch = false;
  #reasonStart = 0;
  #reasonEnd = 0;

  /**
   * Takes a head whose lines are well-formed, and checks what they say together.
   *
   * @param method method of the request that it answers
   * @param offersUpgrade whether that request offered an upgrade
   * @returns the rule that was broken, or `null`
   */
  load(scanner: ResponseScanner, meaning: Meaning, method: string, offersUpgrade: boolean): RefusalId | null {
    this.lend(scanner.source, scanner.base, scanner.offsets, scanner.count);
    const refusal = meaning.read(scanner.source, scanner.base, scanner.offsets, scanner.count, false);
    if (refusal !== null) return refusal;
    this.wireBytes = scanner.scanned;
    this.minorVersion = scanner.minorVersion;
    this.status = scanner.status;
    this.isInterim = scanner.status < 200 && scanner.status !== 101;
    this.#reasonStart = scanner.reasonStart;
    this.#reasonEnd = scanner.reasonEnd;
    this.isUpgrade = this.minorVersion === 1 && meaning.hasUpgrade && meaning.hasUpgradeOption;
    if (this.status === 101 && !(this.isUpgrade && offersUpgrade)) return "unasked-switch";
    this.isSwitch = this.status === 101 || (method === "CONNECT" && this.status >= 200 && this.status <= 299);
    return this.#readFraming(meaning, method);
  }

  get reason(): string {
    return latin1(this.bytes, this.base + this.#reasonStart, this.base + this.#reasonEnd);
  }

  /** RFC 9112 §6.3 (length), in its order; §9.3 (persistence). */
  #readFraming(meaning: Meaning, method: string): RefusalId | null {
    if (meaning.hasCoding) {
      if (this.minorVersion === 0) return "coding-version";
      if (meaning.length !== -1) return "length-with-coding";
      if (!meaning.isChunked) return "coding-syntax";
      if (meaning.hasOtherCoding) return "coding-unknown";
    }
    const { status } = this;
    if (status < 200 || status === 204) {
      if (meaning.hasCoding || meaning.length > 0) return "bodyless-content";
      this.framing = NO_BODY;
    } else if (this.isSwitch || method === "HEAD" || status === 304) this.framing = NO_BODY;
    else if (meaning.hasCoding) this.framing = CHUNKED;
    else if (meaning.length !== -1) this.framing = { kind: "length", length: meaning.length };
    else this.framing = CLOSE;
    const mayGoOn = this.minorVersion === 1 || meaning.hasKeepAlive;
    this.keepAlive = mayGoOn && !meaning.hasClose && !this.isSwitch && this.framing !== CLOSE;
    return null;
  }
}

/** Whether the bytes from `start` are `text`, case and all. */
function isExactly(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Bytes of `http://` or `https://` at `start`, else 0. */
function hasScheme(bytes: Uint8Array, start: number, end: number): number {
  for (const scheme of ["http", "https"]) {
    const after = start + scheme.length;
    if (after + 3 > end || !isText(bytes, start, after, scheme)) continue;
    if (isExactly(bytes, after, "://")) return scheme.length + 3;
  }
  return 0;
}

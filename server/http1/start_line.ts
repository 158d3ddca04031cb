/**
 * The two start lines (RFC 9112 §3, §4): a request's `method SP target SP version` and a response's
 * `version SP status SP reason`.
 *
 * @module
 */
import { CR, DIGIT_0, DIGIT_9, FIELD_VALUE, HTAB, LF, SP, TARGET, TOKEN_LOWER } from "./grammar.ts";
import { Meaning } from "./meaning.ts";
import type { MessageLimits } from "./message.ts";
import { AT_LINE, REFUSED, SectionScanner } from "./section_scanner.ts";

/** The first state of either line. */
const AT_START = 0;
/** States of a request line; all are below `AT_LINE`. */
const IN_METHOD = 0;
const IN_TARGET = 1;
const IN_VERSION = 2;
/** States of a status line. */
const IN_STATUS = 0;
const IN_REASON = 1;
/** The CR of either came. */
const AT_LF = 3;

/** `HTTP/1.` (RFC 9112 §2.3): then comes the minor version. */
const VERSION = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e] as const;
/** `HTTP/1.1 CR LF`. */
const WHOLE_VERSION = [...VERSION, DIGIT_0 + 1, CR, LF] as const;
/** Index of the major version in it. */
const MAJOR_AT = 5;
/** Bytes of a whole version. */
const VERSION_BYTES = 8;

/** What both start lines share: the version. */
class StartLineScanner extends SectionScanner {
  /** The sender's minor version; all above 1 are taken as 1 (RFC 9110 §2.5). */
  minorVersion: 0 | 1 = 1;
  /** What the head's fields mean; used again for each head. */
  readonly meaning: Meaning = new Meaning();
  /** Bytes of the start line and its CRLF. */
  protected readonly lineBytesMax: number;
  /** Major version seen; any but 1 is refused once the version is known to be well-formed. */
  #major = 1;

  constructor(limits: MessageLimits) {
    super(AT_START, limits.headerBytesMax, limits.headersMax, "headers-too-large", "too-many-headers");
    this.lineBytesMax = limits.startLineBytesMax + 2;
  }

  /**
   * Looks at one byte of the version.
   *
   * @param byte the byte
   * @param at its index in the version, 0 to 7
   * @returns whether it fits
   */
  protected isVersionByte(byte: number, at: number): boolean {
    if (at === MAJOR_AT || at === VERSION_BYTES - 1) {
      if (byte < DIGIT_0 || byte > DIGIT_9) return false;
      if (at === MAJOR_AT) this.#major = byte - DIGIT_0;
      else this.minorVersion = byte === DIGIT_0 ? 0 : 1;
      return true;
    }
    return byte === VERSION[at];
  }

  /** Whether the version that was read has major version 1. */
  protected get isMajorKnown(): boolean {
    return this.#major === 1;
  }

  /** The start line is over at `end`. */
  protected endLine(end: number, origin: number): number {
    this.fieldsStart = end - origin;
    this.state = AT_LINE;
    return end;
  }
}

/** A request's head. */
export class RequestScanner extends StartLineScanner {
  /** Bytes of the method. */
  methodEnd = 0;
  /** Offset after the target, which begins at `methodEnd + 1`. */
  targetEnd = 0;

  protected override scanStartLine(bytes: Uint8Array, start: number, end: number, origin: number): number {
    const limit = origin + this.lineBytesMax;
    const stop = end < limit ? end : limit;
    let i = start;
    if (this.state === IN_METHOD) {
      while (i < stop && TOKEN_LOWER[bytes[i]!] !== 0) i++;
      if (i < stop) {
        if (bytes[i] === LF && i === origin) return this.refuse("bare-lf");
        if (bytes[i] !== SP || i === origin) return this.refuse("method");
        this.methodEnd = i - origin;
        this.state = IN_TARGET;
        i++;
      }
    }
    if (this.state === IN_TARGET) {
      while (i < stop && TARGET[bytes[i]!] !== 0) i++;
      if (i < stop) {
        const byte = bytes[i];
        if (byte === HTAB) return this.refuse("start-line-space");
        if (byte === CR) return this.refuse("version-syntax");
        if (byte === LF) return this.refuse("bare-lf");
        if (byte !== SP) return this.refuse("target-byte");
        if (i - origin === this.methodEnd + 1) return this.refuse("start-line-space");
        this.targetEnd = i - origin;
        this.state = IN_VERSION;
        i++;
      }
    }
    if (this.state === IN_VERSION && i - origin === this.targetEnd + 1 && isWholeVersion(bytes, i, stop)) {
      this.minorVersion = 1;
      return this.endLine(i + WHOLE_VERSION.length, origin);
    }
    if (this.state === IN_VERSION || this.state === AT_LF) i = this.#scanVersion(bytes, i, stop, origin);
    if (this.state < AT_LINE && i === limit) return this.refuse("start-line-too-long");
    return i;
  }

  /** Goes on with `HTTP/1.1 CR LF`. */
  #scanVersion(bytes: Uint8Array, start: number, stop: number, origin: number): number {
    let i = start;
    for (; i < stop; i++) {
      const byte = bytes[i]!;
      if (this.state === AT_LF) {
        return byte === LF ? this.endLine(i + 1, origin) : this.refuse("bare-cr");
      }
      const at = i - origin - this.targetEnd - 1;
      if (at < VERSION_BYTES) {
        if (this.isVersionByte(byte, at)) continue;
        return this.refuse(
          at === 0 && (byte === SP || byte === HTAB) ? "start-line-space" : "version-syntax",
        );
      }
      if (byte !== CR) return this.refuse(refusalAfterVersion(byte));
      if (!this.isMajorKnown) return this.refuse("version-unsupported");
      this.state = AT_LF;
    }
    return i;
  }
}

/** Whether `HTTP/1.1 CR LF` is at `start`: nearly always so, and then there is no need to go byte by byte. */
function isWholeVersion(bytes: Uint8Array, start: number, stop: number): boolean {
  if (start + WHOLE_VERSION.length > stop) return false;
  for (let i = 0; i < WHOLE_VERSION.length; i++) if (bytes[start + i] !== WHOLE_VERSION[i]) return false;
  return true;
}

/** What a byte after a request's version breaks. */
function refusalAfterVersion(byte: number): "start-line-space" | "bare-lf" | "version-syntax" {
  if (byte === SP || byte === HTAB) return "start-line-space";
  return byte === LF ? "bare-lf" : "version-syntax";
}

/** A response's head. */
export class ResponseScanner extends StartLineScanner {
  /** The status, 100 to 599. */
  status = 0;
  /** Offset of the reason phrase. */
  reasonStart = 0;
  /** Offset after it. */
  reasonEnd = 0;

  protected override scanStartLine(bytes: Uint8Array, start: number, end: number, origin: number): number {
    const limit = origin + this.lineBytesMax;
    const stop = end < limit ? end : limit;
    let i = start;
    if (this.state === IN_STATUS) i = this.#scanStatus(bytes, i, stop, origin);
    if (i !== REFUSED && this.state === IN_REASON) {
      while (i < stop && FIELD_VALUE[bytes[i]!] !== 0) i++;
      if (i < stop) {
        if (bytes[i] !== CR) return this.refuse(bytes[i] === LF ? "bare-lf" : "reason-byte");
        this.reasonEnd = i - origin;
        this.state = AT_LF;
        i++;
      }
    }
    if (i !== REFUSED && this.state === AT_LF && i < stop) {
      return bytes[i] === LF ? this.endLine(i + 1, origin) : this.refuse("bare-cr");
    }
    if (i !== REFUSED && this.state < AT_LINE && i === limit) return this.refuse("start-line-too-long");
    return i;
  }

  /** Goes on with `HTTP/1.1 SP 200 SP`; a server that leaves out the last space of an empty reason is let through. */
  #scanStatus(bytes: Uint8Array, start: number, stop: number, origin: number): number {
    for (let i = start; i < stop; i++) {
      const byte = bytes[i]!;
      const at = i - origin;
      if (at < VERSION_BYTES) {
        if (!this.isVersionByte(byte, at)) return this.refuse("version-syntax");
      } else if (at === VERSION_BYTES) {
        if (byte !== SP) return this.refuse("status-line");
        if (!this.isMajorKnown) return this.refuse("version-unsupported");
        this.status = 0;
      } else if (at < VERSION_BYTES + 4) {
        if (byte < DIGIT_0 || byte > DIGIT_9) return this.refuse("status-line");
        this.status = this.status * 10 + byte - DIGIT_0;
      } else {
        if (byte !== SP && byte !== CR) return this.refuse(byte === LF ? "bare-lf" : "status-line");
        if (this.status < 100 || this.status > 599) return this.refuse("status-range");
        this.state = byte === SP ? IN_REASON : AT_LF;
        this.reasonStart = at + 1;
        this.reasonEnd = at + 1;
        return i + 1;
      }
    }
    return stop;
  }
}

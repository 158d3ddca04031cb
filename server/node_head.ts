/**
 * A request that `node:http` has parsed, seen as this library's own parser's heads are: so that `Request`, router and
 * gateway read it with nothing in between.
 *
 * Strategy: names and values stay where Node put them (`rawHeaders`); a lookup walks them, which for the dozen fields
 * of a request is cheaper than a map.
 *
 * Known limits: framing is what the fields say, for Node has checked them; `wireBytes` is counted from the fields, so
 * white space that Node dropped is missing from it.
 *
 * @module
 */
import type { Fields, Framing, RequestHead } from "./http1/message.ts";
import type { IncomingLike } from "./node_http.ts";

const NO_BODY: Framing = Object.freeze({ kind: "none" });
const CHUNKED: Framing = Object.freeze({ kind: "chunked" });

/** Bytes of a line beside name and value: colon, space, CRLF. */
const LINE_EXTRA_BYTES = 4;
/** Bytes of the head beside its lines: two spaces, `HTTP/1.1` and two CRLFs. */
const HEAD_EXTRA_BYTES = 14;

/** Field lines given as names and values by turns. */
export class NodeFields implements Fields {
  readonly #raw: readonly string[];

  /** @param raw names and values by turns */
  constructor(raw: readonly string[]) {
    this.#raw = raw;
  }

  get count(): number {
    return this.#raw.length >> 1;
  }

  nameAt(index: number): string {
    return this.#raw[2 * index]!.toLowerCase();
  }

  valueAt(index: number): string {
    return this.#raw[2 * index + 1]!;
  }

  get(name: string): string | null {
    for (let i = 0; i < this.count; i++) if (this.#isAt(i, name)) return this.valueAt(i);
    return null;
  }

  getAll(name: string): string[] {
    const values: string[] = [];
    for (let i = 0; i < this.count; i++) if (this.#isAt(i, name)) values.push(this.valueAt(i));
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }

  #isAt(index: number, lowerName: string): boolean {
    const name = this.#raw[2 * index]!;
    return name.length === lowerName.length && name.toLowerCase() === lowerName;
  }
}

/** The head of a request that Node has parsed. */
export class NodeHead extends NodeFields implements RequestHead {
  readonly method: string;
  readonly target: string;
  readonly targetForm: RequestHead["targetForm"];
  readonly minorVersion: 0 | 1;
  readonly framing: Framing;
  readonly keepAlive: boolean;
  readonly isUpgrade: boolean;
  readonly wireBytes: number;
  /** Node has answered the expectation before it calls a listener. */
  readonly expectsContinue = false;

  /** @param message as a listener gets it */
  constructor(message: IncomingLike) {
    super(message.rawHeaders);
    const { method = "GET", url = "/" } = message;
    this.method = method;
    this.targetForm = targetForm(method, url);
    // A middleware may have left a target without its slash: it is a path all the same.
    this.target = this.targetForm === "origin" && !url.startsWith("/") ? `/${url}` : url;
    this.minorVersion = message.httpVersionMinor === 0 ? 0 : 1;
    this.framing = framingOf(this);
    const options = this.getAll("connection").join(",").toLowerCase().split(",").map((option) =>
      option.trim()
    );
    this.keepAlive = this.minorVersion === 1 ? !options.includes("close") : options.includes("keep-alive");
    this.isUpgrade = options.includes("upgrade") && this.has("upgrade");
    let bytes = method.length + url.length + HEAD_EXTRA_BYTES;
    for (const text of message.rawHeaders) bytes += text.length;
    this.wireBytes = bytes + this.count * LINE_EXTRA_BYTES;
  }

  /** It lasts already. */
  retain(): this {
    return this;
  }
}

/** RFC 9112 §3.2. */
function targetForm(method: string, target: string): RequestHead["targetForm"] {
  if (method === "CONNECT") return "authority";
  if (target === "*") return "asterisk";
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(target) ? "absolute" : "origin";
}

/** RFC 9112 §6.3, for a request whose framing was found correct. */
function framingOf(fields: Fields): Framing {
  if (fields.has("transfer-encoding")) return CHUNKED;
  const length = Number(fields.get("content-length") ?? 0);
  return length > 0 ? { kind: "length", length } : NO_BODY;
}

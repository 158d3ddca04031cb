/**
 * A request that is to be forwarded, seen the same way whether it came through `serve()` (a head as a view on bytes, a
 * body without a web stream) or through a foreign server (the web's `Request`).
 *
 * Known limit: a foreign server has parsed and normalised the request before; what it dropped (trailers, the order and
 * repetition of fields, the target's exact spelling) cannot be forwarded.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";
import type { BodySource } from "../body_source.ts";
import type { Fields, Framing } from "../http1/message.ts";
import { bodyOf, headOf } from "../request.ts";
import { StreamSource } from "./stream_source.ts";

/** What the gateway needs to know of a request. */
export interface InboundRequest {
  /** The method as it came. */
  readonly method: string;
  /** The request target: origin form, or `*`. */
  readonly target: string;
  /** Who the client asked for: the absolute target's authority (RFC 9112 §3.2.2), else `Host`; `null` for nobody. */
  readonly host: string | null;
  /** The fields as they came. */
  readonly fields: Fields;
  /** Minor version of the request: 0 or 1. */
  readonly minorVersion: 0 | 1;
  /** How the body is framed; `none` or a length, else chunked. */
  readonly framing: Framing;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** Where the body comes from; `null` for none. */
  readonly body: BodySource | null;
}

/** A foreign server let a `Content-Length` through that is no number: nobody can tell where the body ends. */
export class InboundFramingError extends SluiceError {
  /** Takes no detail. */
  constructor() {
    super("SLUICE_GATEWAY_FRAMING", "Cannot forward the request: its Content-Length is no number");
  }
}

/** Digits only, and no more than a safe integer has (RFC 9110 §8.6). */
const CONTENT_LENGTH = /^\d{1,15}$/;

/**
 * Looks at a request.
 *
 * @param request from `serve()` or from anywhere
 * @throws TypeError when its body was read already; InboundFramingError when a foreign `Content-Length` is no number
 */
export function inboundRequest(request: Request): InboundRequest {
  if (request.bodyUsed) throw new TypeError("Cannot forward the request: its body was read already");
  const head = headOf(request);
  if (head === undefined) return foreignRequest(request);
  const isAbsolute = head.targetForm === "absolute";
  return {
    method: head.method,
    target: isAbsolute ? targetOfUrl(request.url) : head.target,
    host: isAbsolute ? new URL(request.url).host : head.get("host"),
    fields: head,
    minorVersion: head.minorVersion,
    framing: head.framing,
    expectsContinue: head.expectsContinue,
    body: servedBody(request, head.framing),
  };
}

/** The body as a source; as a web stream, where somebody made it one before (`request.body`, `clone()`). */
function servedBody(request: Request, framing: Framing): BodySource | null {
  const source = bodyOf(request);
  if (source !== undefined) return source;
  if (request.body === null) return null;
  return new StreamSource(request.body, framing.kind === "length" ? framing.length : null);
}

function foreignRequest(request: Request): InboundRequest {
  const fields = new HeadersFields(request.headers);
  const framing = foreignFraming(request, fields);
  return {
    method: request.method,
    target: targetOfUrl(request.url),
    host: fields.get("host"),
    fields,
    minorVersion: 1,
    framing,
    expectsContinue: false, // the foreign server has said 100, or does when the body is read
    body: framing.kind === "none" || request.body === null
      ? null
      : new StreamSource(request.body, framing.kind === "length" ? framing.length : null),
  };
}

function foreignFraming(request: Request, fields: Fields): Framing {
  const declared = fields.get("content-length");
  if (declared !== null) {
    if (!CONTENT_LENGTH.test(declared)) {
      throw new InboundFramingError();
    }
    return { kind: "length", length: Number(declared) };
  }
  return request.body === null ? { kind: "none" } : { kind: "chunked" };
}

/** Path and query of an absolute URL. */
function targetOfUrl(url: string): string {
  const authority = url.indexOf("//") + 2;
  const end = url.indexOf("#", authority);
  const rest = end < 0 ? url : url.slice(0, end);
  const start = rest.slice(authority).search(/[/?]/);
  if (start < 0) return "/";
  const target = rest.slice(authority + start);
  return target.startsWith("/") ? target : `/${target}`;
}

/** The web's `Headers` as the engine's `Fields`. */
class HeadersFields implements Fields {
  readonly #lines: [string, string][];

  constructor(headers: Headers) {
    this.#lines = [...headers];
  }

  get count(): number {
    return this.#lines.length;
  }

  nameAt(index: number): string {
    return this.#lines[index]![0];
  }

  valueAt(index: number): string {
    return this.#lines[index]![1];
  }

  get(name: string): string | null {
    return this.#lines.find((line) => line[0] === name)?.[1] ?? null;
  }

  getAll(name: string): string[] {
    return this.#lines.filter((line) => line[0] === name).map((line) => line[1]);
  }

  has(name: string): boolean {
    return this.#lines.some((line) => line[0] === name);
  }
}

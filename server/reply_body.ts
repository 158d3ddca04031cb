/**
 * What a reply's body may be, what content type each kind has by default, and how it looks as a web body.
 *
 * @module
 */
import type { BodyProducer } from "./body_writer.ts";
import { iterableStream } from "./iterable_stream.ts";
import { producerStream } from "./producer_stream.ts";

/** What `new Reply(body)` takes: what `new Response(body)` does, and what writes or yields a body. */
export type ReplyBody = BodyInit | BodyProducer | AsyncIterable<Uint8Array | string> | null;

/**
 * A body as the server sends it: text and bytes at once, a blob by its size, the rest as it comes. All but `string`,
 * `Uint8Array` and `Blob` can be sent only once.
 */
export type RawBody =
  | string
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>
  | BodyProducer
  | null;

/** A body and its default content type; `null` for none. */
export interface DescribedBody {
  /** The body as the server sends it. */
  readonly body: RawBody;
  /** Content type unless the headers have one. */
  readonly contentType: string | null;
}

/** Content types by kind of body (Fetch standard, "extract a body"). */
export const TEXT_TYPE = "text/plain;charset=UTF-8";
/** See `TEXT_TYPE`; what `Response.json` sends. */
export const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded;charset=UTF-8";

/** Text with a content type that is not text's own: JSON. */
export class TypedText {
  /** The text. */
  readonly text: string;
  /** Its content type. */
  readonly contentType: string;
  /** Makes one. @param text the text @param contentType its content type */
  constructor(text: string, contentType: string) {
    this.text = text;
    this.contentType = contentType;
  }
}

/**
 * Finds out what a body is. What `BodyInit` does not know is made a string, as the web does.
 *
 * @param body anything
 * @throws {TypeError} a stream that is locked or was read from
 */
export function describeBody(body: unknown): DescribedBody {
  if (body instanceof Uint8Array) return { body, contentType: null };
  if (body instanceof TypedText) return { body: body.text, contentType: body.contentType };
  if (typeof body !== "object" || body === null) return { body: String(body), contentType: TEXT_TYPE };
  if (body instanceof ReadableStream) return { body: checkedStream(body), contentType: null };
  if (body instanceof ArrayBuffer) return { body: new Uint8Array(body), contentType: null };
  if (ArrayBuffer.isView(body)) {
    return { body: new Uint8Array(body.buffer, body.byteOffset, body.byteLength), contentType: null };
  }
  if (body instanceof Blob) return { body, contentType: body.type === "" ? null : body.type };
  if (body instanceof URLSearchParams) return { body: body.toString(), contentType: FORM_TYPE };
  if (body instanceof FormData) return encodeForm(body);
  if (isProducer(body) || Symbol.asyncIterator in body) {
    return { body: body as BodyProducer | AsyncIterable<Uint8Array>, contentType: null };
  }
  return { body: String(body), contentType: TEXT_TYPE };
}

/**
 * Whether a body writes itself.
 *
 * @param body a body that is an object
 */
export function isProducer(body: object): body is BodyProducer {
  return "start" in body && typeof body.start === "function";
}

/**
 * Whether a body is used up by being sent.
 *
 * @param body any
 */
export function isOneShot(body: RawBody): boolean {
  return typeof body === "object" && body !== null && !(body instanceof Uint8Array) &&
    !(body instanceof Blob);
}

/**
 * The same body as `new Response` takes it.
 *
 * @param body any
 */
export function webBody(body: RawBody): BodyInit | null {
  if (typeof body === "string" || body === null || body instanceof Blob || body instanceof ReadableStream) {
    return body;
  }
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  return isProducer(body) ? producerStream(body) : iterableStream(body);
}

/** The boundary is the encoder's, so the form is encoded here; the web's own encoder does it. */
function encodeForm(form: FormData): DescribedBody {
  const encoded = new Response(form);
  const contentType = encoded.headers.get("content-type"); // Before the body: Bun forgets it when that is asked for.
  return { body: encoded.body, contentType };
}

/** Only `new Response` can tell whether a stream was read from. */
function checkedStream(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  new Response(stream);
  return stream;
}

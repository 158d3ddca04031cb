/**
 * A `Response` that keeps what it was made of, so that a server can send it without a stream or a `Headers` object.
 *
 * Strategy: the constructor checks and copies status and fields, and keeps the body as it is. `rawReply` gives these to
 * the server. Everything the web's `Response` has works too: the real one is built when somebody asks for it (see
 * `web_stand_in.ts`), and what is done to its headers is what is sent. So a `Reply` can be given to `Deno.serve`,
 * `Bun.serve`, Hono, or a test that reads its `text()`.
 *
 * Differences to `new Response`: bytes are not copied, so they must not change before they are sent; a control character
 * in a header is refused; a reply with text, bytes or a blob may be returned any number of times.
 *
 * @module
 */
import type { FieldLines } from "./http1/encoder.ts";
import {
  describeBody,
  isOneShot,
  JSON_TYPE,
  type RawBody,
  type ReplyBody,
  TEXT_TYPE,
  TypedText,
  webBody,
} from "./reply_body.ts";
import { copyFields } from "./reply_fields.ts";
import { forwardMembers } from "./web_stand_in.ts";

/** What a reply is made of; see `rawReply`. */
export interface RawReply {
  /** 101, or 200 to 599. */
  readonly status: number;
  /** Reason phrase; `""` for the registered one. */
  readonly statusText: string;
  /** Field lines, the default content type among them. */
  readonly fields: FieldLines;
  /** The body; `null` for none. */
  readonly body: RawBody;
}

/** The same while a reply owns it. */
type MutableRaw = { -readonly [Key in keyof RawReply]: RawReply[Key] };

/** Field lines of a reply without any, of plain text and of JSON: shared, since most replies have one of them. */
export const NO_FIELDS: FieldLines = Object.freeze([]);
/** See `NO_FIELDS`. */
export const TEXT_FIELDS: FieldLines = Object.freeze([Object.freeze(["content-type", TEXT_TYPE] as const)]);
/** See `NO_FIELDS`. */
export const JSON_FIELDS: FieldLines = Object.freeze([Object.freeze(["content-type", JSON_TYPE] as const)]);

/** Statuses whose responses have no body (Fetch standard, "null body status"). */
const NULL_BODY_STATUSES: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/** A reason phrase (RFC 9112 §4). */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether the runtime's servers read a `Response` past its public members, where no stand-in can be: Bun's do. */
const IS_NATIVE = Function.prototype.toString.call(Response).includes("[native code]");

/** From 64 KiB on a stream costs Bun less than a copy (10 µs against 30 and more), and no memory. */
const NATIVE_COPY_BYTES_MAX = 64 * 1024;

/**
 * A `Response` that a server can send without making a web stream of it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { Reply } from "./reply.ts";
 *
 * const plain = new Reply("hello");
 * assert(plain instanceof Response && await plain.text() === "hello");
 *
 * const json = Reply.json({ ok: true }, { status: 201, headers: { "x-id": "7" } });
 * assert(json.headers.get("content-type") === "application/json");
 *
 * async function* words() {
 *   yield "one ";
 *   yield "two";
 * }
 * assert(await new Reply(words()).text() === "one two");
 * ```
 */
export class Reply extends Response {
  /** What it is made of; `null` once the body was touched through the web's members. */
  #raw: MutableRaw | null;
  /** The real response, once somebody wanted it. */
  #real: Response | null = null;
  /** Whether a body that can be sent once was sent. */
  #isSpent = false;

  /**
   * Makes a reply.
   *
   * @param body what `Response` takes, a `BodyProducer`, or an async iterable of bytes and text
   * @param init as `Response` takes it
   * @throws {RangeError} the status is none of a final response
   * @throws {TypeError} a header or the status text has what none may have; a body with a status that has none; a
   *   stream that was read from
   */
  constructor(body: ReplyBody = null, init?: ResponseInit) {
    const raw = makeRaw(body, init);
    super(IS_NATIVE ? nativeBody(raw.body) : null, IS_NATIVE ? webInit(raw) : undefined);
    this.#raw = raw;
  }

  /** See `Response`. */
  override get status(): number {
    return this.#raw === null ? this.#web().status : this.#raw.status;
  }

  /** See `Response`. */
  override get ok(): boolean {
    return this.status >= 200 && this.status <= 299;
  }

  /** See `Response`. */
  override get statusText(): string {
    return this.#raw === null ? this.#web().statusText : this.#raw.statusText;
  }

  /** See `Response`; what is changed here is what is sent. */
  override get headers(): Headers {
    if (!IS_NATIVE) return this.#web().headers;
    const headers = super.headers;
    if (this.#raw !== null) this.#raw.fields = headers;
    return headers;
  }

  /** See `Response`; from here on the body is the web's. */
  override get body(): Response["body"] {
    if (!IS_NATIVE) return Reply.realOf(this).body;
    this.#raw = null;
    return super.body;
  }

  /** See `Response`; a body that was sent and cannot be again counts as used. */
  override get bodyUsed(): boolean {
    return this.#isSpent || (IS_NATIVE ? super.bodyUsed : Reply.realOf(this).bodyUsed);
  }

  /** See `Response`; from here on the body is the web's. */
  override clone(): Response {
    if (this.#isSpent) throw new TypeError("Cannot clone the reply: its body was sent before");
    if (!IS_NATIVE) return Reply.realOf(this).clone();
    this.#raw = null;
    return super.clone();
  }

  /**
   * A reply with a value as JSON.
   *
   * @param data what `JSON.stringify` takes
   * @param init as `Response.json` takes it
   * @throws {TypeError} `JSON.stringify` has no text for the value, as with `undefined`
   */
  static override json(data: unknown, init?: ResponseInit): Reply {
    const text: string | undefined = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Cannot make a JSON reply: the value has no JSON text");
    return new Reply(new TypedText(text, JSON_TYPE) as unknown as BodyInit, init);
  }

  /** The real response, for its headers: the body is left alone. */
  #web(): Response {
    if (this.#real !== null) return this.#real;
    const raw = this.#raw!;
    // A body that was sent looks read: nobody can send it again.
    const real = new Response(this.#isSpent ? new ReadableStream() : webBody(raw.body), webInit(raw));
    if (this.#isSpent) real.body?.cancel().catch(() => {});
    this.#real = real;
    // Deno prepares a native response that its server takes from the object it was given, here the reply, while the real
    // one frees it when it is collected: twice, then. Handing out the headers, which may change, makes Deno drop it.
    raw.fields = real.headers;
    return real;
  }

  /** The real response, for whatever the web's members do: from here on they have the body. */
  static realOf(self: object): Response {
    const reply = self as Reply;
    const real = reply.#web();
    reply.#raw = null;
    return real;
  }

  /** What it is made of; see `rawReply`. */
  static take(response: object): RawReply | undefined {
    if (!(#raw in response)) return undefined;
    const reply = response as Reply;
    if (reply.#isSpent) throw new TypeError("Cannot send the reply: its body was sent before");
    const raw = reply.#raw;
    if (raw === null || (IS_NATIVE && reply.bodyUsed)) return undefined;
    if (isOneShot(raw.body)) {
      reply.#isSpent = true;
      reply.#real = null;
    }
    return raw;
  }
}

if (IS_NATIVE) {
  for (const key of ["status", "ok", "statusText"]) Reflect.deleteProperty(Reply.prototype, key);
} else {
  // `super()` calls whatever the class inherits from when it runs: a constructor that does nothing, below which `redirect`
  // and `error` are still found.
  class ResponseStandIn {}
  Object.setPrototypeOf(ResponseStandIn, Response);
  Object.setPrototypeOf(Reply, ResponseStandIn);
  forwardMembers<Response>(Reply.prototype, new Response(), Reply.realOf);
}

/** Checks what a reply is made from, as the Fetch standard's "initialize a response" does. */
function makeRaw(body: unknown, init: ResponseInit | undefined): MutableRaw {
  if (typeof body === "string" && init === undefined) {
    return { status: 200, statusText: "", fields: TEXT_FIELDS, body };
  }
  if (body instanceof TypedText && init === undefined && body.contentType === JSON_TYPE) {
    return { status: 200, statusText: "", fields: JSON_FIELDS, body: body.text };
  }
  const status = init?.status ?? 200;
  const statusText = init?.statusText ?? "";
  if (!Number.isInteger(status) || (status !== 101 && (status < 200 || status > 599))) {
    throw new RangeError(`Cannot make a reply: the status ${status} is neither 101 nor from 200 to 599`);
  }
  if (!REASON.test(statusText)) {
    throw new TypeError(
      `Cannot make a reply: the status text ${JSON.stringify(statusText)} has what none may have`,
    );
  }
  if (body === null || body === undefined) {
    return {
      status,
      statusText,
      fields: init?.headers ? copyFields(init.headers, null) : NO_FIELDS,
      body: null,
    };
  }
  if (NULL_BODY_STATUSES.has(status)) throw new TypeError(`Cannot make a reply: ${status} has no body`);
  const described = describeBody(body);
  return {
    status,
    statusText,
    fields: copyFields(init?.headers, described.contentType),
    body: described.body,
  };
}

/** The body for Bun's own response, which would copy all bytes at once although nobody may ever ask it for them. */
function nativeBody(body: RawBody): BodyInit | null {
  if (!(body instanceof Uint8Array) || body.length < NATIVE_COPY_BYTES_MAX) return webBody(body);
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(body);
      controller.close();
    },
  });
}

/** The same for the real response's constructor. */
function webInit(raw: RawReply): ResponseInit {
  return {
    status: raw.status,
    statusText: raw.statusText,
    headers: raw.fields as Iterable<[string, string]>,
  };
}

/**
 * What a `Reply` is made of, for the server to send. A body that can be sent only once is used up by it.
 *
 * @param response any response
 * @returns `undefined` for a response of another make, or a reply whose body was touched as the web's: read it by
 *   `readResponse`
 * @throws {TypeError} the reply's body was sent before
 */
export function rawReply(response: Response): RawReply | undefined {
  return Reply.take(response);
}

/**
 * The same for any response, by the web's public members: its body is a stream then.
 *
 * @param response any response
 * @throws {TypeError} its body was read before, or it is `Response.error()`
 */
export function readResponse(response: Response): RawReply {
  if (response.type === "error") throw new TypeError("Cannot send the response: it is Response.error()");
  if (response.bodyUsed) throw new TypeError("Cannot send the response: its body was read before");
  const { status, statusText, headers: fields, body } = response;
  return { status, statusText, fields, body };
}

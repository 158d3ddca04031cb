/**
 * The `Request` a handler gets under `serve()`: a view on the head's bytes that works as the web's.
 *
 * Strategy: making one costs a few field stores. Method and target come from the head, the URL is a string made when
 * it is asked for, headers are looked up in the head, and `text()`, `json()` and the like gather the body with no
 * stream between. `body` makes the stream alone. A real `Request` is built at most once, when somebody asks for what needs
 * one: `clone()`, `new Request(request)`, `fetch(request)`, the constants such as `mode` (see `web_stand_in.ts`); from then
 * on the body is its, unless it was read before.
 *
 * What differs from `new Request(…)`, as it does for every server's requests: headers are immutable; the method is as it
 * was sent (`get` stays `get`); `signal` aborts when the client leaves and at no other time.
 *
 * Known limits: as the web's, `body` is `null` for GET and HEAD (`bodyOf` has it nevertheless), and no real `Request`
 * can be made of CONNECT and TRACE: `clone()` and the like throw a `TypeError`. On Node `new Request(request)` and
 * `fetch(request)` refuse any object their constructor has not made: give them `toRequest(request)`.
 *
 * @module
 */
import type { BodySource } from "./body_source.ts";
import { bodyStream } from "./body_stream.ts";
import { collectBody } from "./collect_body.ts";
import type { RequestHead } from "./http1/message.ts";
import { createHeaders } from "./request_headers.ts";
import { requestPath, requestUrl, urlPath } from "./request_url.ts";
import type { RequestUrls } from "./request_urls.ts";
import { forwardMembers } from "./web_stand_in.ts";

/** Where a request comes from: what the server knows of it. */
export interface RequestSource {
  /** The head, retained. */
  readonly head: RequestHead;
  /** Scheme of the connection. */
  readonly scheme: "http" | "https";
  /** Makes the URL, if what is known of other requests may be used. */
  readonly urls?: RequestUrls;
  /** Own host and port: who the request is for when its Host says nothing of use. */
  readonly authority: string;
  /** The body; `null` when there is none. */
  readonly body: BodySource | null;
  /** Aborts when the client leaves; asked for when `signal` is. */
  readonly disconnected: AbortSignal;
  /** Bytes that `text()` and the like gather at most: the body's own limit if finite. Default `BODY_GATHERED_BYTES_MAX`. */
  readonly gatheredBytesMax?: number;
}

/** What `text()` and the like gather at most unless told otherwise: what a process survives a few hundred times. */
export const BODY_GATHERED_BYTES_MAX: number = 16 * 1024 * 1024;

/** Bytes to text as the web's `text()` does it: UTF-8, a BOM dropped, U+FFFD for what is malformed. */
const UTF8 = new TextDecoder();

/** A stand-in for `Request`; made by `createRequest`. */
class ServedRequest {
  readonly #source: RequestSource;
  #url: string | null = null;
  #headers: Headers | null = null;
  #real: Request | null = null;
  /** The body, once somebody asked for it as a stream, until the real request has it. */
  #stream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;

  constructor(source: RequestSource) {
    this.#source = source;
  }

  get method(): string {
    return this.#source.head.method;
  }

  get url(): string {
    return this.#url ??= urlOf(this.#source);
  }

  get headers(): Headers {
    return this.#headers ??= createHeaders(this.#source.head);
  }

  get signal(): AbortSignal {
    return this.#source.disconnected;
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const source = webBodyOf(this.#source);
    if (source === null || this.#stream !== null) return this.#stream;
    if (this.#real !== null || source.isUsed) return ServedRequest.realOf(this).body;
    return this.#stream = bodyStream(source); // Half the requests that stream their body ask for nothing else.
  }

  get bodyUsed(): boolean {
    const isTheirs = this.#real !== null && this.#stream === null;
    return isTheirs ? this.#real!.bodyUsed : webBodyOf(this.#source)?.isUsed === true;
  }

  async text(): Promise<string> {
    return this.#isStream ? await ServedRequest.realOf(this).text() : UTF8.decode(await this.#gather());
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#isStream ? await ServedRequest.realOf(this).bytes() : await this.#gather();
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return (await this.bytes()).buffer;
  }

  async blob(): Promise<Blob> {
    return this.#isStream
      ? await ServedRequest.realOf(this).blob()
      : await this.#typed(await this.#gather()).blob();
  }

  async formData(): Promise<FormData> {
    return this.#isStream
      ? await ServedRequest.realOf(this).formData()
      : await this.#typed(await this.#gather()).formData();
  }

  /** How Deno prints it: without making it real. */
  [Symbol.for("Deno.privateCustomInspect")](
    inspect: (value: unknown, options: unknown) => string,
    options: unknown,
  ): string {
    const { bodyUsed, headers, method, url } = this;
    return `Request ${inspect({ bodyUsed, headers, method, url }, options)}`;
  }

  /** The same for Node and Bun. */
  [Symbol.for("nodejs.util.inspect.custom")](
    _depth: number,
    options: unknown,
    inspect: (value: unknown, options: unknown) => string,
  ): string {
    const { bodyUsed, headers, method, url } = this;
    return `Request ${inspect({ bodyUsed, headers, method, url }, options)}`;
  }

  /** Whether the body is a web stream by now, so that only that has it. */
  get #isStream(): boolean {
    return this.#real !== null || this.#stream !== null;
  }

  /** The whole body in memory. */
  async #gather(): Promise<Uint8Array<ArrayBuffer>> {
    const body = webBodyOf(this.#source);
    if (body === null) return new Uint8Array(0);
    return await collectBody(body, this.#source.gatheredBytesMax ?? BODY_GATHERED_BYTES_MAX);
  }

  /** Bytes with the request's content type, for what depends on it. */
  #typed(bytes: Uint8Array<ArrayBuffer>): Response {
    const type = this.#source.head.get("content-type");
    return new Response(bytes, type === null ? {} : { headers: { "content-type": type } });
  }

  /** The real `Request`, built once; the body's stream is its from then on. */
  static realOf(self: object): Request {
    const request = self as ServedRequest;
    if (request.#real !== null) return request.#real;
    const source = webBodyOf(request.#source);
    const stream = request.#stream;
    const isUsed = source?.isUsed === true || stream?.locked === true;
    const body = source === null
      ? null
      : isUsed
      ? new ReadableStream<Uint8Array>()
      : stream ?? bodyStream(source);
    const init: RequestInit & { duplex?: "half" } = {
      method: request.method,
      headers: request.headers,
      signal: request.signal,
      body,
    };
    if (body !== null) init.duplex = "half"; // Node wants it said.
    request.#real = new Request(request.url, init);
    // Read already, by whatever way: then the real one has to look read as well.
    if (isUsed) body?.cancel().catch(() => {});
    else request.#stream = null;
    return request.#real;
  }

  /** Whether this is one of ours. */
  static isOurs(value: object): value is ServedRequest {
    return #source in value;
  }

  /** What the server knows of it. */
  static sourceOf(request: ServedRequest): RequestSource {
    return request.#source;
  }

  /** Whether its body is a web stream by now. */
  static isReal(request: ServedRequest): boolean {
    return request.#isStream;
  }
}

Object.setPrototypeOf(ServedRequest.prototype, Request.prototype);
Object.defineProperty(ServedRequest.prototype, "constructor", { value: Request, enumerable: false });
forwardMembers<Request>(ServedRequest.prototype, new Request("http://localhost/"), ServedRequest.realOf);

/** The URL, by what is known of other requests if that may be used. */
function urlOf(source: RequestSource): string {
  const { urls } = source;
  return urls === undefined ? requestUrl(source.head, source.scheme, source.authority) : urls.urlOf(source);
}

/** The body as the web shows it: none for methods whose requests have none there. */
function webBodyOf(source: RequestSource): BodySource | null {
  const { method } = source.head;
  return method === "GET" || method === "HEAD" ? null : source.body;
}

/**
 * Makes the `Request` for a handler.
 *
 * @param source where it comes from; kept as long as the request lives, and asked when something is needed
 */
export function createRequest(source: RequestSource): Request {
  return new ServedRequest(source) as unknown as Request;
}

/**
 * The head behind a request made by `serve()`.
 *
 * @param request any request
 * @returns `undefined` for a request of another make
 */
export function headOf(request: Request): RequestHead | undefined {
  return ServedRequest.isOurs(request) ? ServedRequest.sourceOf(request).head : undefined;
}

/**
 * The body of a request made by `serve()`, to be consumed without a web stream. Unlike `request.body` it is there for
 * every method.
 *
 * @param request any request
 * @returns `null` when there is no body; `undefined` for a request of another make, or whose body was made a web stream
 *   by `body` or `clone()`: use `request.body` then
 */
export function bodyOf(request: Request): BodySource | null | undefined {
  if (!ServedRequest.isOurs(request) || ServedRequest.isReal(request)) return undefined;
  return ServedRequest.sourceOf(request).body;
}

/**
 * The path of any request's URL, still percent-encoded. For one made by `serve()` it costs no URL.
 *
 * @param request any request
 */
export function pathOf(request: Request): string {
  return ServedRequest.isOurs(request)
    ? requestPath(ServedRequest.sourceOf(request).head)
    : urlPath(request.url);
}

/**
 * A real `Request` for what accepts no other: Node's `fetch` and `new Request`, `structuredClone`-like inspection. The
 * body goes with it.
 *
 * @param request any request; one of another make is returned as it is
 * @throws {TypeError} the method is one a `Request` cannot have: CONNECT, TRACE
 */
export function toRequest(request: Request): Request {
  return ServedRequest.isOurs(request) ? ServedRequest.realOf(request) : request;
}

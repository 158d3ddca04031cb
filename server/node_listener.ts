/**
 * A handler as a listener of `node:http`, and so as a middleware of Express and Connect.
 *
 * Strategy: the request is a view on what Node has parsed, and a body goes from its producer straight to Node's response:
 * no web stream is made on either way. Text and bytes are one `end()` with their length. What `serve()` decides for a
 * response is decided here alike: `Transfer-Encoding` and `Keep-Alive` are Node's, of `Connection` only `close` is
 * heeded, HEAD, 204, 205 and 304 have no body, and a body that fails after its head breaks the connection.
 *
 * Known limits: connections, deadlines and the shutdown are Node's own (`headersTimeout`, `server.close()` …), so
 * `info.draining` never aborts and a stream is not ended for the server's stop. `info.hijack()` throws.
 *
 * @module
 */
import { ConnectionResetError } from "../io/errors.ts";
import type { BodyProducer } from "./body_writer.ts";
import { ErrorHandler, printError } from "./error_handler.ts";
import type { Handler } from "./handler.ts";
import { SERVE_LIMITS_DEFAULT } from "./limits.ts";
import { NodeExchange } from "./node_exchange.ts";
import { NodeHead } from "./node_head.ts";
import type { IncomingLike, ServerResponseLike } from "./node_http.ts";
import { breakOff, NodeWriter } from "./node_writer.ts";
import { problem } from "./problem.ts";
import { type RawReply, rawReply, readResponse } from "./reply.ts";
import { isProducer } from "./reply_body.ts";
import { createRequest } from "./request.ts";
import { bodyLimitOf } from "./route_limits.ts";
import { StaticProducer } from "./static_producer.ts";
import { IterableProducer, StreamProducer } from "./stream_producer.ts";

/** What `toNodeListener` may be told. */
export interface NodeListenerOptions {
  /**
   * Makes a response for what the handler threw. Default: as a middleware the error goes to `next`; else it is printed
   * and answered 500.
   */
  readonly onError?: (error: unknown) => Response | Promise<Response>;
  /** Bytes a request's body may have; then 413, or the reader's error. `null` for any. Default 64 MiB, as `serve()`'s. */
  readonly bodyBytesMax?: number | null;
}

/** A listener for `http.createServer`, and a middleware for Express and Connect. */
export type NodeListener = (
  request: IncomingLike,
  response: ServerResponseLike,
  next?: (error?: unknown) => void,
) => void;

/**
 * 64 KiB: what is written in one `end()`, as one piece; more goes out piece by piece, so that a slow reader holds no
 * copy of it.
 */
const WHOLE_BYTES_MAX = 64 * 1024;

/** Fields that are the connection's, and Node's to set. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set(["transfer-encoding", "keep-alive", "connection"]);

/** Digits alone (RFC 9110 §8.6), and so few that the number is exact. */
const CONTENT_LENGTH = /^[0-9]{1,15}$/;

/**
 * Makes a handler a listener of `node:http`.
 *
 * As a middleware it answers everything it gets, by the path below its mount point: put it behind what else there is,
 * and before body parsers.
 *
 * @param handler the service
 * @param options what to do with errors and large bodies
 * @throws {RangeError} (from the call) `bodyBytesMax` is negative or no number
 *
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { Reply, toNodeListener } from "@sluice/kit/server";
 *
 * const server = createServer(toNodeListener(() => new Reply("hello")));
 * server.listen(0);
 * server.close();
 * ```
 */
export function toNodeListener(handler: Handler, options: NodeListenerOptions = {}): NodeListener {
  const { bodyBytesMax = SERVE_LIMITS_DEFAULT.bodyBytesMax } = options;
  if (bodyBytesMax !== null && !(bodyBytesMax >= 0)) {
    throw new RangeError(`Cannot limit bodies to ${bodyBytesMax} bytes: it must be 0 or more, or null`);
  }
  const errors = new ErrorHandler(options.onError ?? printError);
  return (incoming, response, next) => {
    const head = new NodeHead(incoming);
    const bytesMax = bodyLimitOf(handler, head) ?? bodyBytesMax ?? Infinity;
    const exchange = new NodeExchange(incoming, response, head, bytesMax);
    const passError = options.onError === undefined ? next : undefined;
    new Answer(exchange, incoming, response, errors, passError).run(handler, bytesMax);
  };
}

/** The way of one request's response. */
class Answer {
  readonly #exchange: NodeExchange;
  readonly #incoming: IncomingLike;
  readonly #response: ServerResponseLike;
  readonly #errors: ErrorHandler;
  readonly #passError: ((error: unknown) => void) | undefined;
  #writer: NodeWriter | null = null;
  /** Whether what is being sent is the answer to a failure, so that another one ends it. */
  #hasFailed = false;

  constructor(
    exchange: NodeExchange,
    incoming: IncomingLike,
    response: ServerResponseLike,
    errors: ErrorHandler,
    passError: ((error: unknown) => void) | undefined,
  ) {
    this.#exchange = exchange;
    this.#incoming = incoming;
    this.#response = response;
    this.#errors = errors;
    this.#passError = passError;
  }

  /** Asks the handler and sends what it returns. */
  run(handler: Handler, bodyBytesMax: number): void {
    const response = this.#response;
    response.on("finish", () => this.#exchange.delivered());
    response.on("close", () => this.#closed());
    response.on("error", () => this.#closed());
    this.#incoming.on("error", () => {}); // A client that left: the response's `close` says so, too.
    const declared = this.#exchange.body?.length ?? 0;
    if (declared > bodyBytesMax) {
      return this.#send(problem(413, { detail: `The body has more than ${bodyBytesMax} bytes.` }));
    }
    try {
      const answer = handler(createRequest(this.#exchange), this.#exchange);
      if (!(answer instanceof Promise)) return this.#send(answer);
      answer.then((value) => this.#send(value), (error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #closed(): void {
    if (this.#response.writableFinished) return this.#exchange.delivered();
    this.#cut(new ConnectionResetError("Cannot send the response"));
  }

  #cut(reason: Error): void {
    this.#writer?.cut(reason);
    this.#exchange.cut(reason);
  }

  /** The handler failed, or its response cannot be sent; nothing of one was. */
  #fail(error: unknown): void {
    const response = this.#response;
    if (this.#exchange.cutReason !== null) {
      if (error !== this.#exchange.cutReason) this.#errors.report(error);
      return;
    }
    if (this.#hasFailed || response.headersSent) {
      this.#errors.report(error);
      return breakOff(response, this.#incoming.socket);
    }
    this.#hasFailed = true;
    if (this.#passError !== undefined) return this.#passError(error);
    const answer = this.#errors.respond(error);
    if (answer instanceof Promise) answer.then((value) => this.#send(value));
    else this.#send(answer);
  }

  #send(value: Response): void {
    this.#exchange.isAnswered = true;
    try {
      if (!(value instanceof Response)) {
        throw new TypeError("Cannot answer: the handler did not return a Response or a promise of one");
      }
      const raw = rawReply(value) ?? readResponse(value);
      if (raw.status === 101) throw new TypeError("Cannot send 101 (Switching Protocols) under node:http");
      const { body } = raw;
      if (typeof body === "string") this.#sendBytes(raw, new TextEncoder().encode(body));
      else if (body === null || body instanceof Uint8Array) this.#sendBytes(raw, body ?? new Uint8Array(0));
      else this.#sendProducer(raw, this.#producerOf(raw, body));
    } catch (error) {
      this.#fail(error);
    }
  }

  #sendBytes(raw: RawReply, bytes: Uint8Array): void {
    if (this.#exchange.cutReason !== null) return;
    if (bytes.length > WHOLE_BYTES_MAX && !this.#isBodiless(raw.status)) {
      return this.#stream(raw, new StaticProducer(bytes), bytes.length);
    }
    const length = this.#setHead(raw);
    const response = this.#response;
    const isBodiless = this.#isBodiless(raw.status);
    const said = isBodiless && bytes.length === 0 ? length : bytes.length;
    this.#setLength(raw.status, said);
    if (isBodiless) response.end();
    else response.end(bytes.slice()); // Node keeps what it is given, and whoever made the bytes may use them again.
  }

  #sendProducer(raw: RawReply, producer: BodyProducer): void {
    if (!(producer instanceof StreamProducer) || raw.body instanceof Blob) {
      return this.#stream(raw, producer, raw.body instanceof Blob ? raw.body.size : producer.length ?? null);
    }
    // Most web responses have all their bytes at hand: then they go out with their length.
    producer.peek().then((bytes) => {
      if (this.#exchange.cutReason !== null) return producer.onClosed(this.#exchange.cutReason);
      if (bytes !== null) this.#sendBytes(raw, bytes);
      else this.#stream(raw, producer, null);
    }).catch((error) => this.#fail(error));
  }

  #stream(raw: RawReply, producer: BodyProducer, knownLength: number | null): void {
    const { cutReason } = this.#exchange;
    if (cutReason !== null) return producer.onClosed?.(cutReason);
    let length: number | null;
    try {
      const promised = this.#setHead(raw);
      length = knownLength ?? promised;
      this.#setLength(raw.status, length);
    } catch (error) {
      producer.onClosed?.(null);
      throw error;
    }
    if (this.#isBodiless(raw.status)) {
      producer.onClosed?.(null);
      this.#response.end();
      return;
    }
    this.#response.flushHeaders(); // An event stream may have nothing to say for a while.
    this.#writer = new NodeWriter(this.#response, producer, length, {
      settled: (failure) => {
        if (failure === null) return;
        this.#exchange.cut(failure);
        this.#errors.report(failure);
        breakOff(this.#response, this.#incoming.socket);
      },
      report: (error) => this.#errors.report(error),
    });
    this.#writer.start();
  }

  /** Sets status and fields, beside those that a middleware has set. Returns the length they promise, or `null`. */
  #setHead(raw: RawReply): number | null {
    const response = this.#response;
    const values = new Map<string, string[]>();
    let length: number | null = null;
    for (const [name, value] of raw.fields) {
      const lower = name.toLowerCase();
      if (lower === "content-length") {
        if (CONTENT_LENGTH.test(value)) length = Number(value);
      } else if (!CONNECTION_FIELDS.has(lower)) {
        const before = values.get(lower);
        if (before === undefined) values.set(lower, [value]);
        else before.push(value);
      } else if (lower === "connection" && /(^|[\s,])close($|[\s,])/i.test(value)) {
        values.set(lower, ["close"]);
      }
    }
    response.statusCode = raw.status;
    response.statusMessage = raw.statusText;
    for (const [name, lines] of values) response.setHeader(name, lines.length === 1 ? lines[0]! : lines);
    return length;
  }

  /** RFC 9110 §8.6: none with 204; §15.3.6: none but 0 with 205. */
  #setLength(status: number, length: number | null): void {
    const said = status === 205 ? 0 : length;
    if (said !== null && status !== 204) this.#response.setHeader("content-length", `${said}`);
  }

  /** Whether the response has no body, whatever the handler made (RFC 9110 §6.4.1). */
  #isBodiless(status: number): boolean {
    return this.#exchange.head.method === "HEAD" || status === 204 || status === 304 || status === 205;
  }

  #producerOf(raw: RawReply, body: Exclude<RawReply["body"], string | Uint8Array | null>): BodyProducer {
    const report = (error: unknown) => this.#errors.report(error);
    const { status } = raw;
    if (body instanceof ReadableStream) return new StreamProducer(body, "body", report);
    if (body instanceof Blob) {
      // A blob without a reader needs no stream.
      return this.#isBodiless(status)
        ? { start() {}, length: body.size }
        : new StreamProducer(body.stream(), "body", report);
    }
    return isProducer(body) ? body : new IterableProducer(body, "body", report);
  }
}

/**
 * One forwarded request, from its arrival to the last byte of its response.
 *
 * ```text
 * run → (pool: waiting) → onConnection → head sent, upload begins → onHead → response handed out → onEnd
 * ```
 *
 * Strategy: three parties can end it at any time: the client (its signal, its body, its download), the upstream
 * (`onFailed`, `onRefused`) and the gateway (closing). Whoever comes first decides the outcome; `#finish` runs once, and
 * lets go of all the others.
 *
 * Invariants:
 * - The promise of `run` settles exactly once: before a head came with a problem, after it with the upstream's response.
 *   It rejects only with what the server's own `earlyHints` threw, if that is no `EarlyHintsError`.
 * - A response that was handed out ends complete or aborted, see `Download`.
 * - A request is sent a second time only if not a byte of an answer came, its connection had been used before, its method
 *   is idempotent (RFC 9110 §9.2.2), and not a byte of its body was taken from the client (RFC 9112 §9.3.1).
 *
 * @module
 */
import type { SluiceError } from "../../io/errors.ts";
import type { Clock } from "../../io/selector.ts";
import type { Fields, ResponseHead } from "../http1/message.ts";
import { problem } from "../problem.ts";
import { Reply } from "../reply.ts";
import { EarlyHintsError } from "../response_errors.ts";
import type { ClientConnection, ExchangeListener } from "./client_connection.ts";
import { Download } from "./download.ts";
import {
  ClientGoneError,
  UpstreamBusyError,
  UpstreamClosedError,
  UpstreamError,
  UpstreamProtocolError,
} from "./errors.ts";
import type { GatewayCounters, GatewayOutcome } from "./gateway_stats.ts";
import { forwardedTrailers } from "./hop_fields.ts";
import type { InboundRequest } from "./inbound_request.ts";
import { interimLines, isEventStream, type OutboundHead, outboundHead } from "./response_head.ts";
import { Upload } from "./upload.ts";
import type { PoolWaiter, UpstreamPool } from "./upstream_pool.ts";

/** What all exchanges of one gateway share. */
export interface ExchangeContext {
  /** The upstream's name for errors. */
  readonly name: string;
  /** Where connections come from. */
  readonly pool: UpstreamPool;
  /** What is counted. */
  readonly counters: GatewayCounters;
  /** What time it is. */
  readonly clock: Clock;
  /** The gateway's name in `Via`; `null` for none. */
  readonly via: string | null;
  /** Whether the upstream stops with the server, and ends its event streams then. */
  readonly stopsTogether: boolean;
  /** Hears of failures of the upstream. */
  readonly onError: (error: SluiceError) => void;
}

/** What is forwarded. */
export interface ExchangeRequest {
  /** The request. */
  readonly inbound: InboundRequest;
  /** Its head for the upstream, encoded. */
  readonly head: string;
  /** Aborts when the client is gone. */
  readonly disconnected: AbortSignal;
  /** Sends the client an interim 103, where the server can. */
  readonly earlyHints: ((headers: HeadersInit) => void) | null;
  /** Whether the client takes trailers. */
  readonly takesTrailers: boolean;
}

/** Methods that may be sent again (RFC 9110 §9.2.2); `TRACE` is not forwarded. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** Who left before the answer gets this one; it is nginx's number for it, and reaches nobody. */
const STATUS_CLIENT_GONE = 499;

/** What the client is told, by kind; the upstream's address and the system's words are not the client's business. */
const DETAILS: Readonly<Record<UpstreamError["kind"], string>> = {
  refused: "The upstream refuses connections.",
  unreachable: "The upstream cannot be reached.",
  timeout_connect: "The upstream did not accept the connection in time.",
  timeout_head: "The upstream did not answer in time.",
  timeout_body: "The upstream did not send the rest of its answer in time.",
  closed: "The upstream closed the connection before its answer was complete.",
  protocol: "The upstream's answer is not valid HTTP/1.1.",
  head_too_large: "The head of the upstream's answer is too large.",
  busy: "All connections to the upstream are in use.",
};

/** One forwarded request; see the module's text. */
export class ProxyExchange implements ExchangeListener, PoolWaiter, EventListenerObject {
  wantsFresh = false;
  readonly #context: ExchangeContext;
  readonly #request: ExchangeRequest;
  readonly #startMs: number;
  readonly #response = Promise.withResolvers<Response>();
  #connection: ClientConnection | null = null;
  #upload: Upload | null = null;
  #head: OutboundHead | null = null;
  #download: Download | null = null;
  #isHandedOut = false;
  #isFirstByteSeen = false;
  #isOver = false;

  /**
   * @param context what all exchanges share
   * @param request what is forwarded
   */
  constructor(context: ExchangeContext, request: ExchangeRequest) {
    this.#context = context;
    this.#request = request;
    this.#startMs = context.clock.now();
  }

  /** Forwards the request; resolves with what the client is to get. */
  run(): Promise<Response> {
    const { disconnected } = this.#request;
    this.#context.counters.active++;
    if (disconnected.aborted) {
      this.#finish("cancelled");
      this.#response.resolve(new Reply(null, { status: STATUS_CLIENT_GONE }));
    } else {
      disconnected.addEventListener("abort", this);
      this.#context.pool.acquire(this);
    }
    return this.#response.promise;
  }

  /** The client's signal aborted. */
  handleEvent(): void {
    this.#clientGone(this.#request.disconnected.reason);
  }

  // PoolWaiter: called by the pool.

  /** A connection for this exchange. */
  onConnection(connection: ClientConnection): void {
    const { inbound, head } = this.#request;
    const { kind } = inbound.framing;
    this.#connection = connection;
    const framing = inbound.body === null || kind === "close" ? "none" : kind;
    const waits = inbound.expectsContinue && framing !== "none";
    connection.begin(this, inbound.method, head, framing, waits);
    if (framing !== "none" && !waits) this.#startUpload();
  }

  /** No connection for it. */
  onRefused(error: SluiceError): void {
    this.#fail(error);
  }

  // ExchangeListener: called by the connection.

  /**
   * An interim response goes on as early hints; a server offers no way to send others. Where they cannot be sent (too many wait
   * for an earlier response, the handler has answered otherwise) they are left out: they promise nothing (RFC 8297 §2),
   * and the answer behind them is whole without. Any other error is a fault of the server, and no reason to go on.
   */
  onInterim(head: ResponseHead): void {
    if (head.status !== 103) return;
    try {
      this.#request.earlyHints?.(interimLines(head));
    } catch (error) {
      if (error instanceof EarlyHintsError) this.#context.counters.hintsDropped++;
      else this.#serverFailed(error);
    }
  }

  /** The upstream wants the body, or does not say. */
  onContinue(): void {
    this.#startUpload();
  }

  /** The response's head: handed out when everything of this read is known. */
  onHead(head: ResponseHead): void {
    const { inbound } = this.#request;
    this.#head = outboundHead(head, inbound.method, this.#context.via);
    const { framing, isBodyless } = this.#head;
    const length = framing.kind === "length" ? framing.length : null;
    this.#download = new Download(
      this.#connection!,
      isBodyless ? null : length,
      (reason) => this.#clientGone(reason),
      this.#context.stopsTogether && isEventStream(head) ? "stream" : "body",
    );
  }

  /** Bytes of its body. */
  onBody(bytes: Uint8Array): void {
    this.#noteFirstByte();
    this.#context.counters.responseBytes += bytes.length;
    if (!this.#head!.isBodyless) this.#download!.push(bytes);
  }

  /** The response is complete. */
  onEnd(trailers: Fields | null): void {
    this.#noteFirstByte();
    const goesOn = trailers !== null && this.#request.takesTrailers;
    this.#upload?.cancel(); // who has answered to the end wants no more
    this.#connection = null;
    this.#download!.finish(goesOn ? forwardedTrailers(trailers) : []);
    if (this.#isHandedOut) this.#finish("completed");
  }

  /** Everything of one read has come: the head goes out, with what is known of the body. */
  onRead(): void {
    if (this.#isHandedOut || this.#head === null || this.#isOver) return;
    this.#handOut(this.#head, this.#download!);
  }

  /** The upstream takes bytes again. */
  onSendResumed(): void {
    this.#upload?.resume();
  }

  /** The upstream failed. */
  onFailed(error: SluiceError): void {
    const mayBeStale = this.#connection!.isReused;
    this.#connection = null;
    if (mayBeStale && this.#mayRetry(error)) this.#retry();
    else this.#fail(error);
  }

  #startUpload(): void {
    const { inbound } = this.#request;
    const upload = new Upload(
      this.#connection!,
      this.#context.counters,
      (reason) => this.#uploadFailed(reason),
    );
    this.#upload = upload;
    upload.start(inbound.body!);
  }

  #handOut(head: OutboundHead, download: Download): void {
    const init = { status: head.status, statusText: head.statusText, headers: head.lines };
    const isDone = this.#connection === null; // the response ended within the read that brought its head
    const body = head.isBodyless ? null : isDone && download.isWhole ? download.takeHeld() : download;
    let reply: Reply;
    try {
      reply = new Reply(body, init);
    } catch (cause) { // A field that one grammar allows and the other does not.
      return this.#unfit(
        new UpstreamProtocolError(this.#context.name, "its head cannot be sent on", { cause }),
      );
    }
    this.#isHandedOut = true;
    this.#response.resolve(reply);
    if (isDone) this.#finish("completed");
  }

  #unfit(error: SluiceError): void {
    this.#connection?.abort(error);
    this.#connection = null;
    this.#fail(error);
  }

  /** The server that the gateway runs under failed, by neither the upstream's fault nor the client's: its handler fails. */
  #serverFailed(error: unknown): void {
    const gone = new ClientGoneError({ cause: error });
    this.#upload?.cancel(gone);
    this.#connection?.abort(gone);
    this.#connection = null;
    this.#finish("failed");
    this.#response.reject(error);
  }

  #mayRetry(error: SluiceError): boolean {
    return error instanceof UpstreamClosedError && !error.isAnswered && !this.wantsFresh &&
      this.#upload === null && IDEMPOTENT.has(this.#request.inbound.method);
  }

  #retry(): void {
    this.wantsFresh = true;
    this.#context.counters.retries++;
    this.#context.pool.acquire(this);
  }

  /** The upstream, or the way to it, failed. */
  #fail(error: SluiceError): void {
    const { counters, onError } = this.#context;
    if (this.#isOver) return;
    if (error instanceof UpstreamError) counters.upstreamErrors[error.kind]++;
    this.#upload?.cancel(error);
    if (this.#isHandedOut) {
      this.#finish("cut");
      this.#download!.fail(error);
    } else {
      this.#finish(error instanceof UpstreamError ? "failed" : "refused");
      this.#response.resolve(failureReply(error));
    }
    onError(error);
  }

  /** The request's body broke off or broke a rule. Who sent it may still be there to hear so. */
  #uploadFailed(reason: Error): void {
    if (this.#isOver) return;
    const wasHandedOut = this.#isHandedOut;
    if (!wasHandedOut) this.#response.resolve(uploadProblem(reason));
    this.#clientGone(reason);
    if (wasHandedOut) this.#download!.fail(reason); // a whole answer to half a request must not look like one
  }

  /** Nobody wants the response any more. Whoever was sending it knows that, and drops what was handed out. */
  #clientGone(reason: unknown): void {
    if (this.#isOver) return;
    const { counters, pool } = this.#context;
    const error = new ClientGoneError({ cause: reason });
    counters.upstreamCancels++;
    this.#upload?.cancel(error);
    const connection = this.#connection;
    this.#connection = null;
    if (connection === null) pool.cancel(this);
    else connection.abort(error);
    this.#finish("cancelled");
    this.#response.resolve(new Reply(null, { status: STATUS_CLIENT_GONE })); // no more than a formality after another
  }

  #noteFirstByte(): void {
    if (this.#isFirstByteSeen) return;
    this.#isFirstByteSeen = true;
    const { counters, clock } = this.#context;
    counters.firstByte.add(clock.now() - this.#startMs);
  }

  #finish(outcome: GatewayOutcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { counters } = this.#context;
    this.#request.disconnected.removeEventListener("abort", this);
    counters.active--;
    counters.outcomes[outcome]++;
  }
}

/** What a client gets whose request's body broke a rule: too large, malformed, too slow. */
function uploadProblem(reason: Error): Response {
  const { status, code } = reason as { readonly status?: unknown; readonly code?: unknown };
  const isClientStatus = typeof status === "number" && status >= 400 && status <= 499;
  return problem(isClientStatus ? status : 400, {
    code: typeof code === "string" ? code : "SLUICE_GATEWAY_BODY",
    detail: "The request's body is not complete.",
  });
}

/** What the client gets instead of the upstream's response. */
function failureReply(error: SluiceError): Response {
  if (!(error instanceof UpstreamError)) {
    return problem(503, { code: error.code, detail: "The gateway is closing." });
  }
  const isBusy = error instanceof UpstreamBusyError;
  return problem(error.status, {
    code: error.code,
    detail: DETAILS[error.kind],
    ...(isBusy && { headers: [["retry-after", String(error.retryAfterS)]] }),
  });
}

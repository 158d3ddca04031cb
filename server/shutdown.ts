/**
 * Stops a server in stages, and tells what became of everything that was in progress.
 *
 * Strategy: no new connections; idle ones get our FIN after a last look; requests in flight are answered with `Connection: close`;
 * every exchange's `info.draining` aborts and producers hear `onDraining`, so that streams can say goodbye. Streams that
 * are still there after `streamGraceMs` are cut, everything else after `graceMs`.
 *
 * Who is idle may have sent its next request already: it lies in the kernel, unread (under load that is nearly everybody), or
 * crosses our FIN on the way. So the sockets are looked at once more, until two looks in a row bring no request: some
 * milliseconds. What comes is answered with `Connection: close`. Then the idle ones linger as after a last response, for 300 ms
 * at most if the client does not close: a close would reset them for what is on its way, and so the client sees an end without an
 * answer, upon which it may send again what is idempotent (RFC 9112 §9.3.1, §9.6).
 *
 * Invariants: it never hangs. What is cut is aborted, which needs nothing of the peer. A second call joins the first;
 * it can only shorten what is left of the time.
 *
 * Known limit: connections that the kernel has accepted but the server has not seen are reset.
 *
 * @module
 */
import type { Timer } from "../io/selector.ts";
import { ServerStoppedError } from "./response_errors.ts";
import type { ServerContext } from "./server_context.ts";

/** How long a server takes to stop. */
export interface ShutdownOptions {
  /** For requests in flight; then they are cut. Default 10,000 ms: well within the 30 s that orchestrators give. */
  readonly graceMs?: number;
  /** For streams to end when told to; then they are cut. Default 2,000 ms, or `graceMs` if that is less. */
  readonly streamGraceMs?: number;
}

/** What became of what was in progress when the server began to stop. */
export interface ShutdownReport {
  /** Responses that were completed: the system has taken all of them. */
  readonly finished: number;
  /** Streams that ended when they were told to. */
  readonly ended: number;
  /** Requests and streams that were cut because their time was over, also when only their reader was waited for. */
  readonly cut: number;
  /** Requests and streams whose client left meanwhile. */
  readonly left: number;
  /** Connections without a request, ended when none had come. */
  readonly idle: number;
  /** How long it took, milliseconds. */
  readonly elapsedMs: number;
}

/** See `ShutdownOptions.graceMs`. */
const GRACE_MS_DEFAULT = 10_000;

/** See `ShutdownOptions.streamGraceMs`: longer than a round trip, with room for a last event. */
const STREAM_GRACE_MS_DEFAULT = 2_000;

/** Looks without a request before idle connections end. One turn may only find that a socket is ready, the next one reads it. */
const QUIET_LOOKS = 2;

/** 50 looks at most: each takes a turn of the event loop, 1 ms to 2 ms or, busy with what the look before found, a little more. */
const LOOKS_MAX = 50;

/** A server's stop; made by the first `shutdown()`. */
export class Shutdown {
  readonly #server: ServerContext;
  readonly #startedMs: number;
  readonly #done: PromiseWithResolvers<ShutdownReport> = Promise.withResolvers();
  readonly #graceTimer: Timer;
  readonly #streamTimer: Timer;
  #graceEndsMs = Infinity;
  #streamGraceEndsMs = Infinity;
  /** The next look; `null` when there is none. */
  #wake: unknown = null;
  #looks = 0;
  #quietLooks = 0;
  #requestsSeen: number;

  /** Begins: the caller has stopped to accept. */
  constructor(server: ServerContext) {
    this.#server = server;
    this.#startedMs = server.clock.now();
    this.#graceTimer = server.timers.idle(() => this.#cutAll());
    this.#streamTimer = server.timers.idle(() => this.#cutStreams());
    server.draining = { finished: 0, ended: 0, cut: 0, left: 0, idle: 0 };
    server.onConnectionGone = () => this.#check();
    for (const connection of [...server.connections]) connection.beginDraining();
    this.#requestsSeen = server.stats.requestsTotal;
    if (server.connections.size > 0) this.#look();
  }

  /** Resolves with the report when nothing is left. */
  get done(): Promise<ShutdownReport> {
    return this.#done.promise;
  }

  /** Sets how long it may take from now, if that is less than what is left. */
  hasten({ graceMs, streamGraceMs }: Required<ShutdownOptions>): void {
    const now = this.#server.clock.now();
    if (now + graceMs < this.#graceEndsMs) {
      this.#graceEndsMs = now + graceMs;
      if (graceMs === 0) this.#cutAll();
      else this.#graceTimer.reset(graceMs);
    }
    if (now + streamGraceMs < this.#streamGraceEndsMs) {
      this.#streamGraceEndsMs = now + streamGraceMs;
      if (streamGraceMs === 0) this.#cutStreams();
      else this.#streamTimer.reset(streamGraceMs);
    }
    this.#check();
  }

  /** Gives what has come but was not read a turn of the event loop, and another one if that brought requests. */
  #look(): void {
    this.#wake = this.#server.clock.setWake(0, () => {
      this.#wake = null;
      const { requestsTotal } = this.#server.stats;
      this.#quietLooks = requestsTotal === this.#requestsSeen ? this.#quietLooks + 1 : 0;
      this.#requestsSeen = requestsTotal;
      if (this.#quietLooks < QUIET_LOOKS && ++this.#looks < LOOKS_MAX) this.#look();
      else this.#endIdle();
    });
  }

  #endLooking(): void {
    if (this.#wake !== null) this.#server.clock.clearWake(this.#wake);
    this.#wake = null;
  }

  #endIdle(): void {
    this.#endLooking();
    for (const connection of [...this.#server.connections]) connection.endIdle();
  }

  #cutStreams(): void {
    for (const connection of [...this.#server.connections]) connection.cutStream(new ServerStoppedError());
  }

  #cutAll(): void {
    this.#endIdle();
    for (const connection of [...this.#server.connections]) connection.cut(new ServerStoppedError());
  }

  #check(): void {
    if (this.#server.connections.size > 0) return;
    this.#endLooking();
    this.#graceTimer.cancel();
    this.#streamTimer.cancel();
    const elapsedMs = this.#server.clock.now() - this.#startedMs;
    this.#done.resolve({ ...this.#server.draining!, elapsedMs });
  }
}

/**
 * Checks the times and fills in the defaults.
 *
 * @param options what the caller set, milliseconds
 * @throws RangeError for a value that is not a finite number from 0 on
 */
export function resolveGrace(options: ShutdownOptions): Required<ShutdownOptions> {
  const { graceMs = GRACE_MS_DEFAULT } = options;
  const { streamGraceMs = Math.min(STREAM_GRACE_MS_DEFAULT, graceMs) } = options;
  for (const [name, value] of Object.entries({ graceMs, streamGraceMs })) {
    if (!(value >= 0 && value < Infinity)) {
      throw new RangeError(`Cannot shut down: ${name} must be a finite number from 0 on, not ${value}`);
    }
  }
  return { graceMs, streamGraceMs };
}

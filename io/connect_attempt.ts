/**
 * Attempts to connect, as far as all selectors do them alike: what begins them, and what ends them.
 *
 * - Before one begins, a signal that is aborted already comes first, then the selector that is closed.
 * - It ends once: connected, failed, given up by its signal or its deadline, or by the end of its selector. Whichever it is,
 *   signal and timer are let go and the selector forgets it; what comes later changes nothing.
 * - The protocol is made when there is a connection, and hears nothing of an attempt that failed.
 *
 * A selector has one `ConnectAttempts`; its way of connecting is a subclass of `ConnectAttempt`.
 *
 * @module
 */
import { type DeadlineWatch, watchDeadline } from "./deadline.ts";
import { SelectorClosedError } from "./errors.ts";
import type { ConnectOptions, Protocol, Timers, Transport } from "./selector.ts";

/** 10 s: longer than two retransmissions of a lost SYN (after 1 s and 3 s; RFC 6298 §2.1, §5.5). */
export const CONNECT_TIMEOUT_DEFAULT_MS = 10_000;

/** Highest port there is. */
const PORT_MAX = 65_535;

/** Who waits for an attempt. */
export interface ConnectResult {
  readonly createProtocol: () => Protocol;
  readonly resolve: (transport: Transport) => void;
  readonly reject: (reason: unknown) => void;
}

/** A transport that has yet to tell its protocol that it is open. */
export interface UnopenedTransport extends Transport {
  /** Calls `opened`. */
  start(): void;
}

/** The attempts of one selector that are under way. */
export class ConnectAttempts {
  /** What their deadlines go by. */
  readonly timers: Timers;
  readonly #underWay = new Set<ConnectAttempt>();
  #isClosed = false;

  /** @param timers what their deadlines go by */
  constructor(timers: Timers) {
    this.timers = timers;
  }

  /** How many are under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /**
   * What a selector's `connect` does.
   *
   * @param begin makes the attempt; what it throws is what `connect` rejects with
   */
  connect(
    options: ConnectOptions,
    createProtocol: () => Protocol,
    begin: (result: ConnectResult) => void,
  ): Promise<Transport> {
    return new Promise((resolve, reject) => {
      options.signal?.throwIfAborted();
      if (this.#isClosed) throw new SelectorClosedError("Cannot connect");
      begin({ createProtocol, resolve, reject });
    });
  }

  /** Gives up all that are under way; none begins any more. */
  close(reason: unknown): void {
    this.#isClosed = true;
    for (const attempt of [...this.#underWay]) attempt.fail(reason);
  }

  /** For attempts: this one has begun. */
  add(attempt: ConnectAttempt): void {
    this.#underWay.add(attempt);
  }

  /** For attempts: this one is over. */
  delete(attempt: ConnectAttempt): void {
    this.#underWay.delete(attempt);
  }
}

/** See the module's text. */
export abstract class ConnectAttempt {
  /** Where to, as messages have it. */
  protected readonly target: string;
  protected readonly options: ConnectOptions;
  readonly #attempts: ConnectAttempts;
  readonly #result: ConnectResult;
  readonly #watch: DeadlineWatch | null;
  #isOver = false;

  /** Begins to wait; throws RangeError for a timeout that is not finite and from 0 on, and then nothing has begun. */
  constructor(attempts: ConnectAttempts, options: ConnectOptions, result: ConnectResult) {
    const { signal, timeoutMs = CONNECT_TIMEOUT_DEFAULT_MS } = options;
    this.target = describeTarget(options);
    this.options = options;
    this.#attempts = attempts;
    this.#result = result;
    const doing = `Cannot connect to ${this.target}`;
    this.#watch = watchDeadline(attempts.timers, { signal, timeoutMs }, doing, (reason) => this.fail(reason));
    attempts.add(this);
  }

  /** Lets go of what was begun: the attempt has failed. Called once at most, and not together with `open`. */
  protected abstract abandon(): void;
  /** Makes the transport of the connection: the attempt is over. Called once at most, and not together with `abandon`. */
  protected abstract open(protocol: Protocol): UnopenedTransport;

  /** Whether it has ended. */
  protected get isOver(): boolean {
    return this.#isOver;
  }

  /** Ends it without a connection, unless it is over. */
  fail(reason: unknown): void {
    if (this.#isOver) return;
    this.#end();
    this.abandon();
    this.#result.reject(reason);
  }

  /** There is a connection: ends the attempt by opening it. Only while it is not over. */
  protected succeed(): void {
    const { createProtocol, resolve } = this.#result;
    let protocol: Protocol;
    try {
      protocol = createProtocol();
    } catch (error) {
      return this.fail(error);
    }
    if (this.#isOver) return; // Who made the protocol has given it up.
    this.#end();
    const transport = this.open(protocol);
    transport.start();
    resolve(transport);
  }

  #end(): void {
    this.#isOver = true;
    this.#attempts.delete(this);
    this.#watch?.stop();
  }
}

/** The address that `options` ask for, for messages. */
export function describeTarget(options: ConnectOptions): string {
  if (options.transport === "unix") return `unix:${options.path}`;
  const { hostname, port } = options;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/**
 * Refuses a port that is none, for selectors whose system would not.
 *
 * @throws RangeError
 */
export function checkConnectPort(options: ConnectOptions): void {
  if (options.transport === "unix") return;
  const { port } = options;
  if (!Number.isSafeInteger(port) || port < 0 || port > PORT_MAX) {
    throw new RangeError(`Cannot connect: the port must be an integer from 0 to ${PORT_MAX}, not ${port}`);
  }
}

/**
 * Attempts to connect, as far as all selectors do them alike: what begins them, and what ends them.
 *
 * - Before one begins, a signal that is aborted already comes first, then the selector that is closed.
 * - It ends once: connected, failed, given up by its signal or its deadline, or by the end of its selector. Whichever it is,
 *   signal and timer are let go and the selector forgets it; what comes later changes nothing.
 * - The protocol is made when there is a connection, and hears nothing of an attempt that failed.
 *
 * A selector has one `ConnectAttempts`; its way of connecting is a subclass of `ConnectAttempt`, or of `AddressAttempt` where it goes
 * through the addresses of a name itself:
 *
 * - One after the other, in the order given, each until it fails or its share of the time is over: all have the same, the last one
 *   all that is left. So one that does not answer does not cost the others their turn, and one that fails leaves its share to the last.
 * - When none answers, the last one's reason is told.
 * - Without a deadline there are no shares: an address that does not answer costs what the system takes to say so (two minutes on
 *   Linux).
 *
 * Known limit: what the name took to be resolved is not taken off the shares; and none is tried before the one before it is over, as
 * RFC 8305 ("Happy Eyeballs") does after 250 ms: it would take two descriptors for what mostly needs one.
 *
 * @module
 */
import { type DeadlineWatch, watchDeadline } from "./deadline.ts";
import { SelectorClosedError, UnreachableError } from "./errors.ts";
import type { ConnectOptions, Protocol, Timer, Timers, Transport } from "./selector.ts";

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

  /** It has ended, either way; the other two follow. */
  protected ended(): void {}

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
    this.ended();
  }
}

/** An attempt at the addresses of a name, one after the other; see the module's text. */
export abstract class AddressAttempt extends ConnectAttempt {
  #addresses: readonly string[] = [];
  #next = 0;
  /** How long each but the last may take, milliseconds. */
  #shareMs = Infinity;
  readonly #shareTimer: Timer;

  /** As `ConnectAttempt`'s. */
  constructor(attempts: ConnectAttempts, options: ConnectOptions, result: ConnectResult) {
    super(attempts, options, result);
    this.#shareTimer = attempts.timers.idle(() => this.giveUpAddress());
  }

  /** Begins at an address. How it ends is told by `succeed` or `addressFailed`, perhaps from inside the call. */
  protected abstract tryAddress(address: string): void;
  /** The present address's share is over, and there is another one: lets go of what was begun, then tells `addressFailed`. */
  protected abstract giveUpAddress(): void;

  /** The name is resolved, or cannot be, for a reason. */
  protected resolved(reason: unknown, addresses: readonly string[]): void {
    if (this.isOver) return;
    if (reason !== null) return this.fail(reason);
    if (addresses.length === 0) {
      return this.fail(new UnreachableError(this.target, "the name has no address"));
    }
    this.#addresses = addresses;
    const { timeoutMs = CONNECT_TIMEOUT_DEFAULT_MS } = this.options;
    if (timeoutMs !== null) this.#shareMs = timeoutMs / addresses.length;
    this.#tryNext();
  }

  /** The present address failed: goes on with the next one, or fails for this reason. */
  protected addressFailed(reason: unknown): void {
    if (this.isOver) return;
    this.#shareTimer.cancel();
    if (this.#next < this.#addresses.length) this.#tryNext();
    else this.fail(reason);
  }

  protected override ended(): void {
    this.#shareTimer.cancel();
  }

  #tryNext(): void {
    const address = this.#addresses[this.#next++]!;
    const isLast = this.#next === this.#addresses.length;
    if (!isLast && this.#shareMs !== Infinity) this.#shareTimer.reset(this.#shareMs);
    this.tryAddress(address);
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

/**
 * Wraps any selector and asserts the contract of io/selector.ts, in both directions: what the selector does to
 * protocols and what protocols do to transports.
 *
 * A breach is thrown where it happens, as `ContractError`, and kept: a selector may well catch what a protocol throws,
 * so a test ends with `assertClean()`, which throws what was found, and what was never closed.
 *
 * What cannot be seen from here and is left to the contract suite: what goes over the wire, and in how many sends.
 *
 * @module
 */
import { ContractError } from "../errors.ts";
import type {
  Clock,
  ConnectOptions,
  Listener,
  ListenOptions,
  Protocol,
  Selector,
  Timers,
  Transport,
} from "../selector.ts";
import { CheckLedger, ConnectionCheck } from "./checked_connection.ts";

/**
 * A selector under observation.
 *
 * @example
 * ```ts
 * import { openSelector } from "../open_selector.ts";
 * import { CheckedSelector } from "./checked.ts";
 *
 * const selector = new CheckedSelector(openSelector());
 * // … what is to be tested, with `selector` …
 * await selector.close();
 * selector.assertClean();
 * ```
 */
export class CheckedSelector implements Selector {
  readonly kind: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly #inner: Selector;
  readonly #ledger = new CheckLedger();
  readonly #listeners: Listener[] = [];

  /** Observes a selector. @param inner the selector; use only the wrapper from here on */
  constructor(inner: Selector) {
    this.#inner = inner;
    this.kind = inner.kind;
    this.clock = inner.clock;
    this.timers = inner.timers;
  }

  /** Breaches found so far. */
  get violations(): readonly ContractError[] {
    return this.#ledger.violations;
  }

  /**
   * Call it at the end of a test.
   *
   * @throws ContractError naming every breach so far and every connection that was not closed
   */
  assertClean(): void {
    const found = this.violations.map(({ message }) => message);
    const open = this.#ledger.open.size;
    if (open > 0) found.push(`${open} connection(s) whose protocol never heard closed`);
    for (const { addr, stats } of this.#listeners) {
      if (open === 0 && stats.open !== 0) {
        found.push(
          `the listener at ${
            JSON.stringify(addr)
          } counts ${stats.open} open connection(s), though all are closed`,
        );
      }
    }
    if (found.length > 0) throw new ContractError(found.join("; "));
  }

  listen(options: ListenOptions, createProtocol: () => Protocol): Listener {
    const create = () => new ConnectionCheck(this.#ledger, createProtocol());
    const listener = this.#ledger.within(null, "listen", true, () => this.#inner.listen(options, create));
    this.#listeners.push(listener);
    return listener;
  }

  async connect(options: ConnectOptions, createProtocol: () => Protocol): Promise<Transport> {
    const made: ConnectionCheck[] = [];
    const create = () => {
      const check = new ConnectionCheck(this.#ledger, createProtocol());
      made.push(check);
      return check;
    };
    let transport: Transport;
    try {
      transport = await this.#ledger.within(
        null,
        "connect",
        true,
        () => this.#inner.connect(options, create),
      );
    } catch (error) {
      for (const check of made) {
        if (check.outer !== null) this.#ledger.note("the selector called opened for a connect that failed");
        this.#ledger.open.delete(check);
      }
      throw error;
    }
    if (made.length !== 1) {
      return this.#ledger.fail(`connect made ${made.length} protocols for one connection`);
    }
    const outer = made[0]?.outer ?? this.#ledger.fail("connect resolved before it called opened");
    if (!outer.isOf(transport)) this.#ledger.fail("connect resolved with another transport than opened got");
    return outer;
  }

  async close(): Promise<void> {
    await this.#ledger.within(null, "close", true, () => this.#inner.close());
    if (this.#ledger.open.size > 0) {
      this.#ledger.note(`close resolved with ${this.#ledger.open.size} connection(s) not closed`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

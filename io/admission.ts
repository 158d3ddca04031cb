/**
 * Whom a listener lets in: the limit, the protocol of who is let in, and the counters behind `Listener.stats`.
 *
 * A listener asks `admits` first, then for the protocol, and then says what became of the connection: `opened`, and `closed`
 * when it is no longer open; or `failed`, when the system would not give it.
 *
 * @module
 */
import { reportUncaught } from "./report_uncaught.ts";
import type { ListenerStats, Protocol } from "./selector.ts";

/** See the module's text. */
export class Admission {
  readonly #connectionsMax: number;
  readonly #createProtocol: () => Protocol;
  #accepted = 0;
  #refused = 0;
  #open = 0;
  #acceptErrors = 0;

  /**
   * @param connectionsMax how many connections may be open at once
   * @param createProtocol makes the protocol of one
   */
  constructor(connectionsMax: number, createProtocol: () => Protocol) {
    this.#connectionsMax = connectionsMax;
    this.#createProtocol = createProtocol;
  }

  /** The counters as they are now. */
  get stats(): ListenerStats {
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      open: this.#open,
      acceptErrors: this.#acceptErrors,
    };
  }

  /** Whether one more may come in; counts it as refused if not. A listener that closes lets in nobody. */
  admits(isClosing: boolean): boolean {
    if (this.#open < this.#connectionsMax && !isClosing) return true;
    this.#refused++;
    return false;
  }

  /** `null` when it cannot be made, which is not this connection's fault but the program's, and nobody waits for it here. */
  makeProtocol(): Protocol | null {
    try {
      return this.#createProtocol();
    } catch (error) {
      reportUncaught(error);
      return null;
    }
  }

  /** A connection goes to its protocol; say so before it hears. */
  opened(): void {
    this.#accepted++;
    this.#open++;
  }

  /** A connection is no longer open. */
  closed(): void {
    this.#open--;
  }

  /** What `opened` counted went to no protocol after all: the system would not let it. */
  withdrawn(): void {
    this.#accepted--;
    this.#open--;
    this.#acceptErrors++;
  }

  /** The system would not give a connection. */
  failed(): void {
    this.#acceptErrors++;
  }
}

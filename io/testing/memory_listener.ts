/**
 * Listening in a memory network: a name under which connections arrive.
 *
 * @module
 */
import type { Addr, Listener, ListenerStats, ListenOptions, Protocol } from "../selector.ts";
import { reportUncaught } from "../report_uncaught.ts";

/** 16,384, as on the native selector. */
const CONNECTIONS_MAX_DEFAULT = 16_384;

/** See the module's text. */
export class MemoryListener implements Listener {
  readonly addr: Addr;
  readonly #createProtocol: () => Protocol;
  readonly #connectionsMax: number;
  readonly #onClose: (listener: MemoryListener) => void;
  #accepted = 0;
  #refused = 0;
  #open = 0;

  /** Binds nothing by itself: the selector registers it. */
  constructor(
    addr: Addr,
    options: ListenOptions,
    createProtocol: () => Protocol,
    onClose: (listener: MemoryListener) => void,
  ) {
    const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX_DEFAULT;
    if (!Number.isSafeInteger(connectionsMax) || connectionsMax < 1) {
      throw new RangeError(
        `Cannot listen: connectionsMax must be an integer from 1 on, not ${connectionsMax}`,
      );
    }
    const { backlog = 1 } = options; // There is no queue in front of a dispatch; only what makes no sense is refused.
    if (!Number.isSafeInteger(backlog) || backlog < 1) {
      throw new RangeError(`Cannot listen: backlog must be an integer from 1 on, not ${backlog}`);
    }
    this.addr = addr;
    this.#createProtocol = createProtocol;
    this.#connectionsMax = connectionsMax;
    this.#onClose = onClose;
  }

  get stats(): ListenerStats {
    return { accepted: this.#accepted, refused: this.#refused, open: this.#open, acceptErrors: 0 };
  }

  /** Makes the protocol of a connection that arrived and counts it; `null` when the connection is refused. */
  accept(): Protocol | null {
    if (this.#open >= this.#connectionsMax) {
      this.#refused++;
      return null;
    }
    let protocol: Protocol;
    try {
      protocol = this.#createProtocol();
    } catch (error) {
      reportUncaught(error); // Not this connection's fault but the program's, and nobody waits for it here.
      return null;
    }
    this.#accepted++;
    this.#open++;
    return protocol;
  }

  /** Counts a connection out. */
  dismiss(): void {
    this.#open--;
  }

  close(): Promise<void> {
    this.#onClose(this);
    return Promise.resolve();
  }

  ref(): void {
    // Memory keeps no process alive.
  }

  unref(): void {
    // Memory keeps no process alive.
  }
}

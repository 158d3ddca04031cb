/**
 * Listening in a memory network: a name under which connections arrive.
 *
 * @module
 */
import { Admission } from "../admission.ts";
import type { Addr, Listener, ListenerStats, ListenOptions, Protocol } from "../selector.ts";

/** 16,384, as on the native selector. */
const CONNECTIONS_MAX_DEFAULT = 16_384;

/** See the module's text. */
export class MemoryListener implements Listener {
  readonly addr: Addr;
  readonly #admission: Admission;
  readonly #onClose: (listener: MemoryListener) => void;

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
    this.#admission = new Admission(connectionsMax, createProtocol);
    this.#onClose = onClose;
  }

  get stats(): ListenerStats {
    return this.#admission.stats;
  }

  /** Makes the protocol of a connection that arrived and counts it; `null` when the connection is refused. */
  accept(): Protocol | null {
    const admission = this.#admission;
    const protocol = admission.admits(false) ? admission.makeProtocol() : null;
    if (protocol !== null) admission.opened();
    return protocol;
  }

  /** Counts a connection out. */
  dismiss(): void {
    this.#admission.closed();
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

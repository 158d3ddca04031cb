/**
 * What the transports of one selector share: blocks, numbers, the list of those to flush when the turn ends, and the
 * register of what is open.
 *
 * Strategy: the first write of a turn puts a transport on the list and asks the runtime, once for all transports, to be
 * told when the turn ends; then each transport on the list is flushed once. What is written during the flush belongs
 * to the next turn, so that protocols which answer each other cannot keep the loop from its other work.
 *
 * Bounds: the list holds a transport at most once, and both lists only what is open. The list has as many places as were ever
 * taken in one turn.
 *
 * @module
 */
import { BlockPool } from "./block_pool.ts";

/** What a hub knows of a transport. */
export interface HubMember {
  /** Sends what the turn wrote. */
  flush(): void;
  /** As `Transport.abort`. */
  abort(reason: Error): void;
}

/** See the module's text. */
export class TransportHub {
  /** Where transports take their blocks. */
  readonly pool: BlockPool;
  readonly #open = new Set<HubMember>();
  readonly #afterTurn: (run: () => void) => void;
  readonly #run: () => void;
  /** The list: its first `#dirtyCount` entries. Emptying the array instead would make room for it anew every turn. */
  #dirty: (HubMember | null)[] = [];
  #dirtyCount = 0;
  #spare: (HubMember | null)[] = [];
  #isScheduled = false;
  #isFlushing = false;
  #endedTurns = 0;
  #lastId = 0;
  #onIdle: (() => void) | null = null;
  #abortReason: Error | null = null;

  /**
   * @param afterTurn runs a function once when the present turn ends (see io/selector.ts, "Turns and sends")
   * @param pool where blocks come from
   */
  constructor(afterTurn: (run: () => void) => void, pool: BlockPool = new BlockPool()) {
    this.#afterTurn = afterTurn;
    this.pool = pool;
    this.#run = () => this.endTurn();
  }

  /** Transports that are open. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Turns that have ended here. */
  get endedTurns(): number {
    return this.#endedTurns;
  }

  /** Registers a transport; returns a number no other transport of this hub has. */
  join(transport: HubMember): number {
    this.#open.add(transport);
    return ++this.#lastId;
  }

  /** Takes a transport off the register: its protocol has heard `closed`. */
  leave(transport: HubMember): void {
    this.#open.delete(transport);
    if (this.#open.size === 0) this.#onIdle?.();
  }

  /** Why all was aborted, and whatever comes to be open still must be; `null` until then. */
  get abortReason(): Error | null {
    return this.#abortReason;
  }

  /** Aborts all that is open; resolves when every protocol has heard `closed`. Call it once. */
  async abortAll(reason: Error): Promise<void> {
    this.#abortReason = reason;
    for (const transport of [...this.#open]) transport.abort(reason);
    await Promise.resolve(); // Who makes the protocol of a connection may have called this: that one joins afterwards.
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
  }

  /** Puts a transport on the list; the caller does so once until it is flushed. */
  markDirty(transport: HubMember): void {
    this.#dirty[this.#dirtyCount++] = transport;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#afterTurn(this.#run);
  }

  /** The turn ends: flushes all on the list. */
  endTurn(): void {
    this.#endedTurns++;
    this.#isScheduled = false;
    this.flush();
  }

  /** Flushes all on the list, in the middle of a turn. Does nothing from within a flush. */
  flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const dirty = this.#dirty;
    const count = this.#dirtyCount;
    this.#dirty = this.#spare;
    this.#dirtyCount = 0;
    try {
      for (let i = 0; i < count; i++) {
        const transport = dirty[i]!;
        dirty[i] = null; // What is closed must not be kept by the list.
        transport.flush();
      }
    } finally {
      this.#spare = dirty;
      this.#isFlushing = false;
    }
  }
}

/**
 * Outcomes on their way from a worker to the pool, many in one message.
 *
 * A message costs 2–16 µs and small tasks a fraction of that, so outcomes wait for each other, but never longer than the work at
 * hand: the host flushes when its inbox is empty, and `isDue` tells it when to flush in between.
 *
 * What cannot be cloned spoils its own outcome only: the rest is sent one by one. What gives buffers away goes in a message of its
 * own, since on Deno a message that fails has given them away all the same.
 *
 * @module
 */
import { DONE, DONE_STRIDE, ITEMS, type Message, UNCLONEABLE } from "./protocol.ts";
import { pack, type Parcel } from "./transfer_list.ts";

/** Outcomes in a message at most: by then the message's own cost is lost among theirs. */
const OUTCOMES_MAX = 256;

/** Time an outcome waits while its worker computes, milliseconds: enough for a batch of small tasks, nothing for a person. */
const HOLD_MS = 1;

/** What most outcomes give away. */
const NOTHING: Transferable[] = [];

/** Outcomes that wait to be sent. */
export class Outbox {
  readonly #post: (message: Message, transfer: Transferable[]) => void;
  readonly #mode: "auto" | "copy";
  #message: [number, ...unknown[]] = [DONE];
  /** When the first outcome that waits came. */
  #since = 0;

  /** Makes an empty one. @param post sends a message @param transfers whether large buffers are given away */
  constructor(post: (message: Message, transfer: Transferable[]) => void, transfers: boolean) {
    this.#post = post;
    this.#mode = transfers ? "auto" : "copy";
  }

  /** Adds an outcome. @param value its value @param runMs how long the task ran @param now the time */
  add(slot: number, outcome: number, value: unknown, runMs: number, now: number): void {
    const transfer: Transferable[] = typeof value === "object" && value !== null
      ? this.#pack(value)
      : NOTHING;
    if (transfer.length > 0) this.flush();
    if (this.#message.length === 1) this.#since = now;
    this.#message.push(slot, outcome, value, runMs);
    if (transfer.length > 0) this.#flush(transfer);
  }

  /** Whether what waits should be sent although there is more to do. */
  isDue(now: number): boolean {
    const { length } = this.#message;
    return length > 1 && (length > OUTCOMES_MAX * DONE_STRIDE || now - this.#since >= HOLD_MS);
  }

  /** Sends what waits. */
  flush(): void {
    this.#flush(NOTHING);
  }

  /**
   * Sends items of a stream at once, up to the first that cannot be cloned.
   *
   * @returns what the runtime says of that one; `null` when all were sent
   */
  sendItems(slot: number, items: readonly unknown[]): string | null {
    const transfers = items.map((item) => this.#pack(item));
    if (transfers.every(({ length }) => length === 0)) {
      try {
        this.#post([ITEMS, slot, ...items], []);
        return null;
      } catch (error) {
        if (items.length === 1) return String(error);
      }
    }
    for (const [index, item] of items.entries()) {
      try {
        this.#post([ITEMS, slot, item], transfers[index]!);
      } catch (error) {
        return String(error);
      }
    }
    return null;
  }

  #flush(transfer: Transferable[]): void {
    if (this.#message.length === 1) return;
    const message = this.#message;
    this.#message = [DONE];
    try {
      this.#post(message, transfer);
    } catch (error) {
      this.#sendSingly(message, error);
    }
  }

  /** What of a value is given away. */
  #pack(value: unknown): Transferable[] {
    const parcel: Parcel = { copyBytes: 0, transfer: [] };
    pack(value, this.#mode, parcel);
    return parcel.transfer;
  }

  #sendSingly(message: Message, error: unknown): void {
    const isSingle = message.length === 1 + DONE_STRIDE;
    for (let at = 1; at < message.length; at += DONE_STRIDE) {
      const [slot, outcome, value, runMs] = message.slice(at, at + DONE_STRIDE);
      let reason = error;
      if (!isSingle) {
        try {
          this.#post([DONE, slot, outcome, value, runMs], []);
          continue;
        } catch (own) {
          reason = own;
        }
      }
      this.#post([DONE, slot, UNCLONEABLE, String(reason), runMs], []);
    }
  }
}

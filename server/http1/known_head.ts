/**
 * The head that was read last, to be used again for a request that has the same bytes.
 *
 * Strategy: clients that keep a connection ask for the same thing with the same fields again and again (pollers, health
 * checks, pipelines, benchmarks). Comparing fifty bytes costs a tenth of scanning them, checking what they mean and
 * copying them, and what was made of the head lazily (method, target) is made once. A head is immutable when it is
 * retained, so any number of requests may share it.
 *
 * Invariant: a head is only found by bytes that are the same to the last one, under the same limits: nothing that would be
 * refused is found.
 *
 * @module
 */
import type { RequestHeadView } from "./head.ts";
import type { MessageLimits } from "./message.ts";

/** A longer head is not kept: comparing it in vain would cost too much, and it would hold on to memory of its own. */
const KNOWN_BYTES_MAX = 1024;

const NO_BYTES = new Uint8Array(0);

/** See the module's text. Share one among the connections of a server. */
export class KnownHead {
  #head: RequestHeadView | null = null;
  #limits: MessageLimits | null = null;
  #bytes: Uint8Array = NO_BYTES;
  #start = 0;

  /** Keeps a head; nothing happens unless it is retained and short. */
  keep(head: RequestHeadView, limits: MessageLimits): void {
    if (!head.isRetained || head.wireBytes > KNOWN_BYTES_MAX) return;
    this.#head = head;
    this.#limits = limits;
    this.#bytes = head.wire;
    this.#start = head.wireStart;
  }

  /** The head that begins at `start` if it is the one that is kept, else `null`. */
  find(bytes: Uint8Array, start: number, end: number, limits: MessageLimits): RequestHeadView | null {
    const head = this.#head;
    if (head === null || this.#limits !== limits) return null;
    const { wireBytes } = head;
    if (end - start < wireBytes) return null;
    const known = this.#bytes;
    const offset = this.#start - start;
    for (let i = start; i < start + wireBytes; i++) {
      if (bytes[i] !== known[i + offset]) return null;
    }
    return head;
  }
}

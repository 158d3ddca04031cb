/**
 * Tells when responses that somebody waits for (`info.completed`) are with the kernel.
 *
 * Strategy: a transport tells that its buffer is empty only to who sets both water marks to zero. So while somebody waits,
 * they are; each response is delivered when as many bytes were taken as had been written at its end. Nobody waits
 * usually, and then this costs nothing.
 *
 * @module
 */
import type { Transport } from "../io/selector.ts";
import type { Exchange } from "./exchange.ts";

/** The transport's own default; set again when nobody waits any more. */
const HIGH_BYTES = 64 * 1024;

/** The responses of one connection whose delivery somebody waits for. */
export class DeliveryWatch {
  readonly #transport: Transport;
  #waiting: Exchange[] = [];

  /** @param transport the connection */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Waits for a response whose last byte was written; `takenBytes` were taken of all that was written. */
  watch(exchange: Exchange, takenBytes: number): void {
    if (takenBytes >= exchange.endOffset) return exchange.delivered();
    this.#waiting.push(exchange);
    if (this.#waiting.length === 1) this.#transport.setWriteLimits({ highBytes: 0 });
  }

  /** The buffer fell: tells those whose response is out of it. */
  taken(takenBytes: number): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((exchange) => takenBytes < exchange.endOffset);
    if (this.#waiting.length === 0) this.#transport.setWriteLimits({ highBytes: HIGH_BYTES });
    for (const exchange of waiting) if (takenBytes >= exchange.endOffset) exchange.delivered();
  }

  /** The connection is gone, in order (`null`) or not, when `takenBytes` had been taken. */
  closed(reason: Error | null, takenBytes: number): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const exchange of waiting) {
      if (reason === null || takenBytes >= exchange.endOffset) exchange.delivered();
      else exchange.cut(reason);
    }
  }
}

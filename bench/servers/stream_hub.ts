/**
 * A fan-out as a careful program writes it by hand over web streams: an event is encoded once and enqueued for every
 * reader; one that does not read is cut instead of queued for without end.
 *
 * @module
 */

/** Bytes that may wait in a reader's stream before it is cut: as many as Sluice's hub lets wait. */
const WAITING_BYTES_MAX = 256 * 1024;

const encoder = new TextEncoder();

/** Readers' streams. */
export class StreamHub {
  readonly #readers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #lastId = 0;

  /** A new reader's response. */
  subscribe(): Response {
    let own: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        own = controller;
        this.#readers.add(controller);
        controller.enqueue(encoder.encode(":\n\n")); // Some servers send no head before there is a byte.
      },
      cancel: () => void this.#readers.delete(own),
    }, new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES_MAX }));
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
    });
  }

  /** Sends an event to all readers. */
  publish(data: string): void {
    const bytes = encoder.encode(`id: ${++this.#lastId}\ndata: ${data}\n\n`);
    for (const controller of this.#readers) {
      if ((controller.desiredSize ?? 0) > 0) controller.enqueue(bytes);
      else {
        this.#readers.delete(controller);
        controller.error(new TypeError("Cannot go on: the reader does not read"));
      }
    }
  }
}

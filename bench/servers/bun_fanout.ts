/**
 * The fan-out bench's server on `Bun.serve`, with a stream per reader. Routes as in `sluice_fanout.ts`.
 *
 * Bun's own `direct` streams are used, which write to the socket without a queue between: a reader then costs half the
 * CPU and a third of the memory that it does with the standard's streams.
 *
 * @module
 */
import { argv } from "node:process";
import { PLAIN } from "./bodies.ts";
import { StreamHub } from "./stream_hub.ts";

/** The little of Bun's types that is used here. */
interface DirectController {
  write(bytes: Uint8Array): number | Promise<number>;
  flush(): void;
}

/** See `DirectController`. */
interface BunLike {
  serve(options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    fetch(request: Request): Response | Promise<Response>;
  }): { readonly port: number };
}

const encoder = new TextEncoder();

/** `StreamHub` with Bun's direct streams. */
class DirectHub {
  readonly #readers = new Set<DirectController>();
  #lastId = 0;

  /** A new reader's response. */
  subscribe(): Response {
    let own: DirectController;
    const { promise, resolve } = Promise.withResolvers<void>();
    const source = {
      type: "direct",
      pull: (controller: DirectController) => {
        own = controller;
        this.#readers.add(controller);
        controller.write(encoder.encode(":\n\n"));
        controller.flush();
        return promise;
      },
      cancel: () => {
        this.#readers.delete(own);
        resolve();
      },
    };
    const body = new ReadableStream(source as unknown as UnderlyingDefaultSource<Uint8Array>);
    return new Response(body, {
      headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
    });
  }

  /** Sends an event to all readers. */
  publish(data: string): void {
    const bytes = encoder.encode(`id: ${++this.#lastId}\ndata: ${data}\n\n`);
    for (const controller of this.#readers) {
      controller.write(bytes);
      controller.flush();
    }
  }
}

const hub = argv[2] === "standard" ? new StreamHub() : new DirectHub();

/** Publishes the body's text. */
async function publish(request: Request): Promise<Response> {
  hub.publish(await request.text());
  return new Response("ok");
}

const { Bun } = globalThis as unknown as { Bun: BunLike };
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/events":
        return hub.subscribe();
      case "/publish":
        return publish(request);
      case "/plain":
        return new Response(PLAIN);
      default:
        return new Response("not found", { status: 404 });
    }
  },
});
console.log(`port ${server.port}`);

/** A server in a process of its own, for the memory tests: a GiB out, a GiB in past a handler that waits, and counters. */
import type { TcpAddr } from "../../../io/selector.ts";
import { Reply } from "../../../server/reply.ts";
import { serve, type Server } from "../../../server/serve.ts";

const PIECE = new Uint8Array(64 * 1024).fill(0x61);
const gate = Promise.withResolvers<void>();

const server: Server<TcpAddr> = serve(
  {
    port: 0,
    hostname: "127.0.0.1",
    limits: { bodyBytesMax: null },
    deadlines: { bodyIdleMs: null, handlerMs: null },
  },
  async (request) => {
    const { pathname } = new URL(request.url);
    const length = Number(pathname.split("/")[2] ?? 0);
    if (pathname === "/stats") return Reply.json(server.stats);
    if (pathname === "/go") {
      gate.resolve();
      return new Reply("going");
    }
    if (pathname.startsWith("/out/")) {
      let left = length;
      const stream = new ReadableStream({
        pull(controller) {
          if (left === 0) return controller.close();
          const size = Math.min(left, PIECE.length);
          left -= size;
          controller.enqueue(PIECE.subarray(0, size));
        },
      });
      return new Response(stream, { headers: { "content-length": `${length}` } });
    }
    let count = 0;
    for await (const chunk of request.body!) {
      if (count === 0 && pathname === "/in-slowly") await gate.promise;
      count += chunk.length;
    }
    return new Reply(`${count}`);
  },
);

console.log(`listening on http://127.0.0.1:${server.addr.port} `);

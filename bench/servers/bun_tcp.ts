/**
 * The bench's TCP server on `Bun.listen`. Modes as in `sluice_tcp.ts`.
 *
 * What `write` does not take would have to be kept for `drain`; with one short message outstanding it always takes all,
 * and a connection on which it does not is closed, so that no figure hides it.
 *
 * @module
 */
import { argv } from "node:process";
import { LineSplitter } from "./line_splitter.ts";

/** The little of Bun's types that is used here. */
interface BunSocket {
  data: LineSplitter;
  write(bytes: Uint8Array): number;
  end(): void;
}

/** See `BunSocket`. */
interface BunLike {
  listen(options: {
    hostname: string;
    port: number;
    socket: {
      open(socket: BunSocket): void;
      data(socket: BunSocket, bytes: Uint8Array): void;
    };
  }): { readonly port: number };
}

/** Writes all, or ends the connection. */
function write(socket: BunSocket, bytes: Uint8Array): void {
  if (socket.write(bytes) === bytes.length) return;
  console.error("Cannot go on: the socket did not take a whole answer");
  socket.end();
}

const isLines = argv[2] === "line";
const { Bun } = globalThis as unknown as { Bun: BunLike };
const server = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = new LineSplitter();
    },
    data(socket, bytes) {
      if (isLines) socket.data.push(bytes, (line) => write(socket, line));
      else write(socket, bytes);
    },
  },
});
console.log(`port ${server.port}`);

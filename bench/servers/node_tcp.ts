/**
 * The bench's TCP server on `node:net`. Modes as in `sluice_tcp.ts`.
 *
 * @module
 */
import { type AddressInfo, createServer } from "node:net";
import { argv } from "node:process";
import { LineSplitter } from "./line_splitter.ts";

const isLines = argv[2] === "line";

const server = createServer((socket) => {
  const splitter = new LineSplitter();
  /** Holds the peer back while it does not take its answers. */
  const write = (bytes: Uint8Array) => {
    if (socket.write(bytes)) return;
    socket.pause();
    socket.once("drain", () => socket.resume());
  };
  socket.on("data", (bytes: Uint8Array) => isLines ? splitter.push(bytes, write) : write(bytes));
  socket.on("error", (error: Error & { code?: string }) => {
    if (error.code !== "ECONNRESET") console.error(error); // a load that ends resets its connections
  });
});
server.listen(0, "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));

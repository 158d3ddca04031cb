/**
 * The bench's TCP server on Sluice's streams, on whichever runtime runs it: prints `port N`, and answers with the bytes
 * that came (`echo`) or with every line that came (`line`).
 *
 * @module
 */
import { argv } from "node:process";
import { ConnectionError, listen, openSelector, type StreamHandler } from "../../io/mod.ts";

/** Most bytes of a read: as the other servers, far more than one message. */
const READ_BYTES = 16 * 1024;

/** Answers whatever was read. */
const echo: StreamHandler = async (reader, writer) => {
  for (;;) {
    const bytes = await reader.read(READ_BYTES);
    if (bytes.length === 0) return;
    writer.write(bytes);
    await writer.drain();
  }
};

/** Answers line by line. */
const line: StreamHandler = async (reader, writer) => {
  for (;;) {
    const bytes = await reader.readLine();
    if (bytes.length === 0) return;
    writer.write(bytes);
    await writer.drain();
  }
};

const server = listen(
  openSelector(),
  {
    hostname: "127.0.0.1",
    port: 0,
    onError(error) {
      if (!(error instanceof ConnectionError)) console.error(error); // a load that ends resets its connections
    },
  },
  argv[2] === "line" ? line : echo,
);
if (server.addr.transport !== "tcp") throw new TypeError("Cannot go on: not TCP");
console.log(`port ${server.addr.port}`);

/**
 * TCP without HTTP: every line comes back in capitals, however the packets are cut.
 * Run: `deno run --allow-net examples/stream_lines.ts [port]`, then `nc 127.0.0.1 8000`.
 */

import { listen, openSelector, type TcpAddr } from "../mod.ts";

const selector = openSelector();
const options = {
  port: Number(Deno.args[0] ?? 8000),
  hostname: "127.0.0.1",
  limitBytes: 4 * 1024, // of a line; a longer one ends the connection
  onError: (error: unknown) => console.error(`a connection was lost: ${error}`),
};
const decoder = new TextDecoder();

const server = listen(selector, options, async (reader, writer) => {
  for (;;) {
    const line = await reader.readLine();
    if (line.length === 0) return; // the client is done, and so are we
    writer.writeText(decoder.decode(line).toUpperCase());
    await writer.drain(); // a client that does not read is not read from
  }
});
console.log(`listening on tcp://127.0.0.1:${(server.addr as TcpAddr).port}`);

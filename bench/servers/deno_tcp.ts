/**
 * The bench's TCP server as a loop over `Deno.listen`: read, write, for each connection. Modes as in `sluice_tcp.ts`.
 *
 * @module
 */
import { LineSplitter } from "./line_splitter.ts";

/** What a loop reads into: 16 KiB, far more than one message. */
const READ_BYTES = 16 * 1024;

/** Writes all of `bytes`: `write` may take less. */
async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    sent += await conn.write(sent === 0 ? bytes : bytes.subarray(sent));
  }
}

/** Answers whatever was read. */
async function echo(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    await writeAll(conn, buffer.subarray(0, count));
  }
}

/** Answers line by line. */
async function line(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  const splitter = new LineSplitter();
  const lines: Uint8Array[] = [];
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    splitter.push(buffer.subarray(0, count), (one) => lines.push(one));
    for (const one of lines) await writeAll(conn, one);
    lines.length = 0;
  }
}

/** Serves one connection to its end. */
async function serve(conn: Deno.Conn): Promise<void> {
  try {
    await (Deno.args[0] === "line" ? line(conn) : echo(conn));
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) console.error(error); // a load that ends resets
  } finally {
    conn.close();
  }
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(`port ${listener.addr.port}`);
for await (const conn of listener) serve(conn);

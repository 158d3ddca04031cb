/**
 * Whom the fairness bench's probes talk to: answers every GET with two bytes, and on a second port returns what it is
 * sent. Prints `port N`, that of HTTP; `GET /echo-port` tells the other.
 *
 * @module
 */

/** Far more than a probe sends. */
const READ_BYTES = 1024;

/** Returns what comes, until the end. */
async function echo(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
    await conn.write(buffer.subarray(0, count));
  }
  conn.close();
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: (addr) => console.log(`port ${addr.port}`),
}, (request) => new Response(request.url.endsWith("/echo-port") ? String(listener.addr.port) : "ok"));
for await (const conn of listener) echo(conn);

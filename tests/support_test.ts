/** The instruments other tests measure with: each is tried where its answer is known. */

import { type AddressInfo, createServer } from "node:net";
import { assert, assertEquals, assertGreater, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { curl, curlStream } from "./support/curl.ts";
import { freePort } from "./support/free_port.ts";
import { RawClient } from "./support/raw_client.ts";
import { peakRssBytes, rssBytes } from "./support/rss.ts";
import { permitSelector } from "./support/selector_flags.ts";
import { serveSources } from "./support/serve_sources.ts";
import { spawnChild } from "./support/spawn_child.ts";
import { taskArguments } from "./support/spawn_serve.ts";

/** Accepts one connection and hands it to a script; the script closes it. */
async function withServer(
  script: (conn: Deno.TcpConn) => Promise<void>,
  test: (port: number) => Promise<void>,
) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = listener.accept().then(script);
  await test(listener.addr.port);
  await served;
}

const write = (conn: Deno.Conn, text: string) => conn.write(new TextEncoder().encode(text));

Deno.test("a raw client sends what it is given and takes what came, byte by byte", async () => {
  await withServer(async (conn) => {
    const buffer = new Uint8Array(64);
    const count = await conn.read(buffer) ?? 0;
    await write(conn, "one\r\ntw");
    await write(conn, `o\r\n${new TextDecoder().decode(buffer.subarray(0, count))}é`);
    conn.close();
  }, async (port) => {
    using client = await RawClient.connect({ port });
    await client.send("ping");
    assertEquals(await client.readUntil("\r\n"), "one\r\n");
    assertEquals(await client.readUntil("\r\n"), "two\r\n");
    assertEquals(await client.readExactly(4), "ping");
    assertEquals((await client.readToEnd()).length, 2, "é is two bytes");
    await client.expectClosed();
    await assertRejects(() => client.readUntil("more"), Error, "closed");
  });
});

Deno.test("a raw client tells a reset from an end", async () => {
  const server = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  using client = await RawClient.connect({ port });
  await client.send("anything");
  await client.expectReset();
  await assertRejects(() => client.expectClosed(), Error, "reset");
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("a raw client reads responses by their framing", async () => {
  await withServer(async (conn) => {
    await write(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    await write(
      conn,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\nX: y\r\n\r\n",
    );
    await write(
      conn,
      "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end",
    );
    conn.close();
  }, async (port) => {
    using client = await RawClient.connect({ port });
    assertEquals((await client.readResponse()).body, "abc");
    assertEquals((await client.readResponse()).body, "def");
    const notModified = await client.readResponse();
    assertEquals([notModified.status, notModified.headers.get("content-length"), notModified.body], [
      304,
      "9",
      "",
    ]);
    assertEquals((await client.readResponse()).body, "to the end");
  });
});

Deno.test("a free port can be listened on", () => {
  using listener = Deno.listen({ port: freePort() });
  assertGreater(listener.addr.port, 0);
});

Deno.test("the size of a process is known while it runs", () => {
  const now = rssBytes(Deno.pid);
  assertGreater(now, 1024 * 1024);
  assert(peakRssBytes(Deno.pid) >= now / 2, "the peak is of the order of the present size");
  assertThrows(() => rssBytes(2 ** 22 + 1), Deno.errors.NotFound);
});

Deno.test("the output of a child can be waited for, and its end is noticed", async () => {
  const child = spawnChild("deno", ["eval", "console.log('port 1'); console.log('port 22 ')"]);
  assertEquals((await child.stdout.match(/port (\d+) /))[1], "22");
  assertEquals((await child.status).code, 0);
  await assertRejects(() => child.stdout.match(/port 333/), Error, "ended");
  assertEquals((await child.stop()).code, 0, "stopping what has ended is no harm");
});

Deno.test("curl reads whole answers and streams", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    if (request.url.endsWith("/whole")) return new Response("whole");
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    writer.write(new TextEncoder().encode("first")).catch(() => {}); // the reader leaves first
    return new Response(readable);
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  assertEquals(await curl(`${url}/whole`), { code: 0, stdout: "whole", stderr: "" });
  assertEquals((await curl(`http://127.0.0.1:${freePort()}/`)).code, 7);
  {
    await using stream = curlStream(`${url}/stream`);
    await stream.stdout.match(/first/);
  }
  await server.shutdown();
});

Deno.test("sources are served as modules, and nothing else is", async () => {
  await using sources = serveSources((url) => ({ "/two_lines.ts": `import "${url}/mod.ts";` }));
  const own = await fetch(`${sources.url}/tests/support_test.ts`);
  assertEquals(own.headers.get("content-type"), "application/typescript");
  assertMatch(await own.text(), /sources are served as modules/);
  assertEquals(await (await fetch(`${sources.url}/two_lines.ts`)).text(), `import "${sources.url}/mod.ts";`);
  for (const path of ["/deno.json", "/none.ts", "/../../etc/passwd"]) {
    const refused = await fetch(`${sources.url}${path}`);
    assertEquals(refused.status, 404);
    await refused.body?.cancel();
  }
});

Deno.test("a task that is one command can be run as one", () => {
  assertEquals(taskArguments("serve").at(-1), "server/main.ts");
  assertThrows(() => taskArguments("ok"), RangeError);
});

Deno.test("a child may open the selector the tests run on, and has no more permission for it than that needs", () => {
  assertEquals(permitSelector(["run", "a.ts"], undefined), ["run", "a.ts"]);
  assertEquals(permitSelector(["run", "a.ts"], "native"), ["run", "a.ts"]);
  assertEquals(permitSelector(["run", "a.ts"], "uring"), ["run", "--allow-ffi", "a.ts"]);
  const [run, flag = "", file] = permitSelector(["run", "a.ts"], "epoll");
  assertMatch(flag, /^--allow-ffi=\/.+$/);
  assertEquals([run, file], ["run", "a.ts"]);
  assertEquals(permitSelector(["run", "-A", "a.ts"], "epoll"), ["run", "-A", "a.ts"]);
  assertEquals(permitSelector(["compile", "a.ts"], "epoll"), ["compile", "a.ts"]);
});

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { connect } from "../../io/connect.ts";
import { ConnectionRefusedError, ConnectionResetError } from "../../io/errors.ts";
import { listen, type StreamHandler } from "../../io/listen.ts";
import { openSelector } from "../../io/open_selector.ts";
import type { Selector, TcpAddr } from "../../io/selector.ts";
import { MemorySelector } from "../../io/testing/memory_selector.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";

const text = (read: Uint8Array) => new TextDecoder().decode(read);

const onError = (error: unknown) => assertEquals(error, null);

function serve(selector: Selector, handler: StreamHandler): { server: AsyncDisposable; target: TcpAddr } {
  const server = listen(selector, { hostname: "127.0.0.1", port: 0, onError }, handler);
  return { server, target: server.addr as TcpAddr };
}

for (
  const [kind, open] of [["system", () => openSelector()], [
    "memory",
    () => new MemorySelector(),
  ]] as const
) {
  Deno.test(`${kind}: connect() gives streams that know both ends`, async () => {
    await using selector = open();
    const { server, target } = serve(
      selector,
      async (reader, writer) => writer.write(await reader.readLine()),
    );
    await using _ = server;
    await using connection = await connect(selector, { ...target, limitBytes: 100 });
    assertEquals(connection.remoteAddr, target);
    assertEquals(connection.localAddr.transport, "tcp");
    assertEquals(connection.reader.limitBytes, 100);
    connection.writer.writeText("hello\n");
    assertEquals(text(await connection.reader.read()), "hello\n");
  });

  Deno.test(`${kind}: connecting where nobody listens fails`, async () => {
    await using selector = open();
    const { server, target } = serve(selector, () => {});
    await server[Symbol.asyncDispose]();
    await assertRejects(() => connect(selector, target), ConnectionRefusedError);
  });

  Deno.test(`${kind}: connecting heeds a signal`, async () => {
    await using selector = open();
    const { server, target } = serve(selector, () => {});
    const reason = new Error("not any more");
    assertStrictEquals(
      await assertRejects(() => connect(selector, { ...target, signal: AbortSignal.abort(reason) })),
      reason,
    );
    await server[Symbol.asyncDispose]();
  });

  Deno.test(`${kind}: leaving the scope of a connection sends what was written and closes it`, async () => {
    await using selector = open();
    const received = Promise.withResolvers<number>();
    const { server, target } = serve(
      selector,
      async (reader) => received.resolve((await reader.read()).length),
    );
    {
      await using connection = await connect(selector, target);
      connection.writer.write(new Uint8Array(500_000));
    }
    assertEquals(await received.promise, 500_000);
    await server[Symbol.asyncDispose]();
  });
}

Deno.test("leaving the scope of a connection whose peer stalls aborts it in the end", async () => {
  const clock = new VirtualClock();
  await using selector = new MemorySelector({ clock });
  const outcome = Promise.withResolvers<unknown>();
  const { server, target } = serve(selector, async (reader, writer) => {
    writer.transport.pauseReading();
    await writer.waitClosed().catch(() => {});
    outcome.resolve(await reader.read().catch((error) => error));
  });
  const left = (async () => {
    await using connection = await connect(selector, target);
    connection.writer.write(new Uint8Array(1_000_000));
  })();
  await clock.advance(4990);
  let isOver = false;
  left.then(() => isOver = true);
  await clock.advance(0);
  assert(!isOver);
  await clock.advance(20);
  await left;
  assert(await outcome.promise instanceof ConnectionResetError);
  await server[Symbol.asyncDispose]();
});

Deno.test("a limit out of range is refused before anything is connected", async () => {
  await using selector = new MemorySelector();
  await assertRejects(
    () => connect(selector, { hostname: "127.0.0.1", port: 1, limitBytes: 0 }),
    RangeError,
    "limitBytes",
  );
});

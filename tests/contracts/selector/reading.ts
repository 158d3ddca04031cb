/** The selector contract: what is received, pausing, the end of what is received, and who receives it. */

import { assert, assertEquals, assertGreater, assertLess, assertStrictEquals } from "@std/assert";
import { Prng } from "../../../io/testing/prng.ts";
import {
  assertGrammar,
  assertSameBytes,
  connectPair,
  noise,
  Pump,
  settle,
  type Subject,
  target,
} from "./harness.ts";
import { Recorder } from "./recorder.ts";

/** More than all buffers of a connection together ever hold, the kernel's at their largest included. */
const MORE_THAN_BUFFERS = 64 << 20;

export function readingContract({ test }: Subject): void {
  test("nothing is received while reading is paused, and nothing is lost by it", async (selector) => {
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    });
    client.transport.writeText("held back");
    await settle();
    assertEquals(server.calls, ["opened"]);
    assertEquals(server.transport.isReading, false);
    server.transport.resumeReading();
    assertEquals([server.transport.isReading, server.length], [true, 0], "delivery is never inside the call");
    await server.untilText("held back");
  });

  test("pausing inside received takes effect at once", async (selector) => {
    const { client, server } = await connectPair(selector, {
      received: (_bytes, transport) => transport.pauseReading(),
    });
    client.transport.write(noise(300_000, 6));
    for (let round = 1; server.length < 300_000; round++) {
      await server.until(() => server.chunks.length === round);
      await settle();
      assertEquals(server.chunks.length, round, "one delivery for each resume");
      server.transport.resumeReading();
    }
    assertSameBytes(server.bytes, noise(300_000, 6));
  });

  test("pausing and resuming are idempotent, and a pause undone in the same turn changes nothing", async (selector) => {
    const { client, server } = await connectPair(selector, {
      received: (_bytes, transport) => {
        transport.pauseReading();
        transport.pauseReading();
        transport.resumeReading();
        transport.resumeReading();
      },
    });
    const bytes = noise(500_000, 7);
    client.transport.write(bytes);
    client.transport.close();
    await server.untilClosed();
    assertSameBytes(server.bytes, bytes);
  });

  test("who does not read stops the writer: the kernel takes no more", async (selector) => {
    const bytes = new Uint8Array(64 * 1024);
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    });
    let taken = 0;
    for (let quiet = 0; quiet < 50 && taken < MORE_THAN_BUFFERS; quiet++) {
      if (client.transport.bufferedBytes === 0) {
        client.transport.write(bytes);
        taken += bytes.length;
        quiet = 0;
      }
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
    assertLess(taken, MORE_THAN_BUFFERS, "somebody buffers without a bound");
    assertGreater(client.transport.bufferedBytes, 0);
    assertEquals(server.length, 0);
    server.transport.resumeReading();
    await server.until(() => server.length === taken);
    await client.until(() => client.transport.bufferedBytes === 0 || client.count("resumeWriting") > 0);
  });

  test("ended is held back while reading is paused", async (selector) => {
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    });
    client.transport.writeText("last");
    client.transport.closeWrite();
    await settle();
    assertEquals(server.calls, ["opened"]);
    server.transport.resumeReading();
    await server.untilClosed();
    assertEquals(server.text, "last");
    assertGrammar(server);
    await client.untilClosed();
  });

  test("pausing with the last bytes holds back ended until reading is resumed", async (selector) => {
    const { client, server } = await connectPair(selector, {
      received: (_bytes, transport) => transport.pauseReading(),
    });
    client.transport.writeText("x");
    client.transport.closeWrite();
    await server.untilText("x");
    await settle();
    assertEquals(server.calls, ["opened", "received"]);
    server.transport.resumeReading();
    await server.until(() => server.count("ended") === 1);
    await Promise.all([client.untilClosed(), server.untilClosed()]);
    assertGrammar(server);
  });

  test("many connections at once never mix up their bytes", async (selector) => {
    const connections = 40;
    const prng = new Prng(8);
    const servers = new Map<number, Recorder>();
    const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => {
      const recorder: Recorder = new Recorder({
        received: (bytes, transport) => {
          if (recorder.chunks.length === 1) servers.set(bytes[0]!, recorder);
          transport.write(bytes);
        },
      });
      return recorder;
    });
    const clients = await Promise.all(Array.from({ length: connections }, async (_, index) => {
      const bytes = noise(prng.integer(50_000, 200_000), index + 100);
      bytes[0] = index;
      const sending = new Pump(bytes, prng.integer(100, 30_000));
      const client = new Recorder(sending.hooks);
      await selector.connect(target(listener.addr), () => client);
      return { bytes, client };
    }));
    await Promise.all(clients.map(({ bytes, client }) => client.until(() => client.length === bytes.length)));
    for (const [index, { bytes, client }] of clients.entries()) {
      assertSameBytes(client.bytes, bytes);
      assertSameBytes(servers.get(index)!.bytes, bytes);
    }
  });

  test("another protocol takes over in the middle of the stream, without being opened", async (selector) => {
    const second = new Recorder();
    const { client, server } = await connectPair(selector, {
      received: (_bytes, transport) => transport.setProtocol(second),
    });
    client.transport.writeText("first");
    await server.untilText("first");
    client.transport.writeText("second");
    await second.untilText("second");
    client.transport.close();
    await second.until(() => second.reason !== undefined);
    assertEquals(second.calls, ["received", "ended", "closed"]);
    assertEquals(server.calls, ["opened", "received"]);
  });

  test("bytes written in received by both sides go back and forth", async (selector) => {
    let rounds = 0;
    const { client } = await connectPair(
      selector,
      { received: (bytes, transport) => transport.write(bytes) },
      {
        opened: (transport) => transport.writeText("ping"),
        received: (bytes, transport) => {
          if (++rounds < 200) transport.write(bytes);
          else transport.close();
        },
      },
    );
    assertStrictEquals(await client.untilClosed(), null);
    assertEquals(rounds, 200);
  });

  test("addresses of both ends fit together, also when all is over", async (selector) => {
    const { client, server, listener } = await connectPair(selector);
    assertEquals(server.transport.localAddr, listener.addr);
    assertEquals(client.transport.remoteAddr, listener.addr);
    assertEquals(client.transport.localAddr, server.transport.remoteAddr);
    assert(client.transport.id !== server.transport.id);
    client.transport.close();
    await server.untilClosed();
    assertEquals(server.transport.localAddr, listener.addr);
    assertEquals(client.transport.localAddr, server.transport.remoteAddr);
  });
}

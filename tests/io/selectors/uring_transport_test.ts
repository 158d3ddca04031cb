import { assert, assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import { AF_INET, SO_LINGER, SOCK_CLOEXEC, SOCK_STREAM, SOL_SOCKET } from "../../../io/ffi/constants.ts";
import { ConnectionResetError, ResourceExhaustedError } from "../../../io/errors.ts";
import { EAGAIN, ECONNRESET, ENOBUFS } from "../../../io/ffi/errno.ts";
import { SocketAddress } from "../../../io/ffi/layout.ts";
import { openUring, type UringOptions, type UringSelector } from "../../../io/selectors/uring.ts";
import { MESSAGES_BYTES } from "../../../io/selectors/uring_messages.ts";
import type { Transport } from "../../../io/selector.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import {
  assertSameBytes,
  connectPair,
  noise,
  type Pair,
  untilBothClosed,
} from "../../contracts/selector/harness.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";
import { type Breakage, breakingLoader } from "../ffi/broken_libc.ts";

/** Runs with a guarded selector; everything must have come back in the end. */
async function withUring(
  options: UringOptions,
  run: (selector: UringSelector) => Promise<void>,
): Promise<void> {
  const selector = openUring({ buffers: { count: 64 }, ...options, isGuarded: true });
  try {
    await run(selector);
  } finally {
    await selector.close();
  }
  assertEquals(selector.breaches, []);
  assertEquals([selector.slots.size, selector.arena.usedBytes], [0, MESSAGES_BYTES]);
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A socket option of Linux's: how long a receive waits. */
const SO_RCVTIMEO = 20;

/** More than a pair of sockets holds. */
const MUCH = 16 << 20;

Deno.test("a chunk goes to any number of readers by one entry each, one system call and one copy", async () => {
  await withUring({}, async (selector) => {
    const pairs: Pair[] = [];
    for (let index = 0; index < 100; index++) pairs.push(await connectPair(selector));
    await settle();
    const before = selector.stats;
    const chunk = new SharedChunk(noise(1_000, 1));
    for (const { server } of pairs) server.transport.writeShared(chunk);
    let during = before;
    pairs[0]!.client.until(() => pairs[0]!.client.length > 0).then(() => during = selector.stats);
    await Promise.all(pairs.map(({ client }) => client.until(() => client.length === 1_000)));
    assertEquals([during.pinnedChunks, during.arenaBytes - before.arenaBytes], [1, 1_000]);
    // The ends are here, too: what they receive, they are told of by some calls more.
    assertLess(selector.stats.submits - before.submits, 20);
    for (const { client } of pairs) assertSameBytes(client.bytes, chunk.bytes);
    chunk.release();
    await settle();
    assertEquals(selector.stats.pinnedChunks, 0);
  });
});

Deno.test("memory of a send that is under way when the connection is aborted comes back when it has ended", async () => {
  await withUring({}, async (selector) => {
    const { arenaBytes } = selector.stats;
    const { client, server } = await connectPair(selector);
    server.transport.pauseReading();
    const chunk = new SharedChunk(noise(MUCH, 2));
    client.transport.write(new Uint8Array(MUCH));
    client.transport.writeShared(chunk);
    await settle();
    client.transport.abort();
    chunk.release();
    await client.untilClosed();
    server.transport.abort();
    await server.untilClosed();
    assertEquals([selector.stats.arenaBytes, chunk.refs], [arenaBytes, 0]);
  });
});

Deno.test("without memory to send from, everything still arrives, and a peer that never reads holds up nobody", async () => {
  await withUring({ arenaBytes: 512 * 1024 }, async (selector) => {
    const stuck = await connectPair(selector, { opened: (transport) => transport.pauseReading() });
    stuck.client.transport.write(new Uint8Array(MUCH)); // Takes all there is, and keeps it.
    stuck.client.transport.write(new Uint8Array(MUCH));
    await settle();
    const pairs = await Promise.all([3, 4, 5].map(async (seed) => {
      const bytes = noise(1 << 20, seed);
      const pair = await connectPair(selector);
      const chunk = new SharedChunk(bytes);
      pair.client.transport.writeText("before");
      pair.client.transport.writeShared(chunk);
      pair.client.transport.write(bytes);
      chunk.release();
      return { pair, bytes };
    }));
    for (const { pair, bytes } of pairs) {
      await pair.server.until(() => pair.server.length === 6 + 2 * bytes.length);
      assertSameBytes(pair.server.bytes.subarray(6, 6 + bytes.length), bytes);
      assertSameBytes(pair.server.bytes.subarray(6 + bytes.length), bytes);
    }
    stuck.server.transport.resumeReading();
    await stuck.server.until(() => stuck.server.length === 2 * MUCH);
  });
});

Deno.test("a large chunk is sent from where it lies, and what is written around it keeps its place", async () => {
  let sizeOf: (bytes: number) => never = () => null as never;
  let calls = 0;
  const few: Breakage = (real, fail) => ({
    send: (fd, bytes, _length, flags) => {
      if (++calls % 3 === 0) return fail(EAGAIN);
      const part = (bytes as Uint8Array<ArrayBuffer>).subarray(0, 1 + calls * 997 % 9_000);
      return real.send(fd, part, sizeOf(part.length), flags);
    },
  });
  await withUring({ load: breakingLoader(few) }, async (selector) => {
    sizeOf = (bytes) => selector.libc.size(bytes) as never;
    const { client, server } = await connectPair(selector);
    const bytes = noise(300_000, 6);
    const chunk = new SharedChunk(bytes.subarray(0, 200_000));
    client.transport.writeShared(chunk);
    await server.until(() => server.length > 50_000);
    assertEquals([selector.stats.pinnedChunks, server.length < 200_000], [0, true]);
    client.transport.write(bytes.subarray(200_000)); // While a poll is under way.
    await server.until(() => server.length === bytes.length);
    assertSameBytes(server.bytes, bytes);
    assertEquals([client.transport.bufferedBytes, chunk.refs, calls > 10], [0, 1, true]);
    chunk.release();
  });
});

Deno.test("a system call of its own that fails ends the connection once, with the reason", async () => {
  const failing: Breakage = (_real, fail) => ({ send: () => fail(ENOBUFS) });
  await withUring({ load: breakingLoader(failing) }, async (selector) => {
    const pair = await connectPair(selector);
    const chunk = new SharedChunk(new Uint8Array(100_000));
    pair.client.transport.writeShared(chunk);
    await untilBothClosed(pair);
    assertInstanceOf(pair.client.reason, ResourceExhaustedError);
    assertEquals(chunk.refs, 1);
    chunk.release();
  });
});

Deno.test("what comes after a send has failed never stands in for what was held back before", async () => {
  const failing: Breakage = (_real, fail) => ({ send: () => fail(ECONNRESET) });
  const options: UringOptions = {
    load: breakingLoader(failing),
    ring: { entries: 16, completions: 16 },
    buffers: { count: 64, bytes: 16 },
  };
  await withUring(options, async (selector) => {
    const chunk = new SharedChunk(new Uint8Array(100_000));
    let isFirst = true;
    const received = (_bytes: Uint8Array, transport: Transport): void => {
      if (!isFirst) return;
      isFirst = false;
      transport.pauseReading(); // The rest of this batch of 16 is held back; the kernel has more.
      queueMicrotask(() => {
        transport.resumeReading();
        transport.writeShared(chunk); // Fails when the turn ends, before what is held is delivered.
      });
    };
    const { client, server } = await connectPair(selector, { received });
    const bytes = noise(40 * 16, 11);
    client.transport.write(bytes);
    client.transport.closeWrite();
    assertInstanceOf(await server.untilClosed(), ConnectionResetError);
    assertSameBytes(server.bytes, bytes.subarray(0, server.length));
    assertEquals(server.count("ended"), 0); // A connection that failed has no orderly end.
    client.transport.abort();
    await client.untilClosed();
    chunk.release();
  });
});

Deno.test("closeWrite on a connection that has failed leaves its descriptor alone: it may be another's by now", async () => {
  const shutDown: number[] = [];
  let closeWrite = (): void => {};
  const watching: Breakage = (real) => ({
    setsockopt: (descriptor, level, option, value, length) => {
      if (level === SOL_SOCKET && option === SO_LINGER) queueMicrotask(() => closeWrite()); // It has failed just now.
      return real.setsockopt(descriptor, level, option, value, length);
    },
    shutdown: (descriptor, how) => (shutDown.push(descriptor), real.shutdown(descriptor, how)),
  });
  await withUring({ load: breakingLoader(watching) }, async (selector) => {
    const pair = await connectPair(selector);
    let isOpen = false;
    closeWrite = () => {
      isOpen = pair.server.reason === undefined;
      pair.server.transport.closeWrite();
    };
    pair.client.transport.abort();
    await untilBothClosed(pair);
    assertEquals([isOpen, shutDown], [true, []]);
  });
});

Deno.test("a connection that waits for room is aborted at once, and closed in order once there is room", async () => {
  await withUring({}, async (selector) => {
    const opened = (transport: Transport) => transport.pauseReading();
    for (const isAborted of [true, false]) {
      const { client, server } = await connectPair(selector, { opened });
      const chunk = new SharedChunk(noise(MUCH, 10));
      client.transport.writeShared(chunk);
      client.transport.write(new Uint8Array(1));
      await settle();
      if (isAborted) client.transport.abort();
      else client.transport.close();
      server.transport.resumeReading();
      await client.untilClosed();
      if (!isAborted) {
        await server.until(() => server.length === MUCH + 1);
        assertSameBytes(server.bytes.subarray(0, MUCH), chunk.bytes);
      }
      server.transport.abort();
      await server.untilClosed();
      assertEquals(chunk.refs, 1);
      chunk.release();
    }
  });
});

Deno.test("with one small buffer to receive into, connections wait for it and lose nothing", async () => {
  await withUring({ buffers: { count: 1, bytes: 1_000 } }, async (selector) => {
    const pairs = await Promise.all([1, 2, 3, 4].map((seed) => {
      return connectPair(selector).then((pair) => ({ ...pair, bytes: noise(100_000, seed) }));
    }));
    for (const { client, bytes } of pairs) client.transport.write(bytes);
    for (const { server, bytes } of pairs) {
      await server.until(() => server.length === bytes.length);
      assertSameBytes(server.bytes, bytes);
    }
  });
});

Deno.test("what arrived before a pause took effect is held, then delivered in order, one delivery for each resume", async () => {
  await withUring({ buffers: { count: 64, bytes: 1_000 } }, async (selector) => {
    const bytes = noise(2 << 20, 7);
    const { client, server } = await connectPair(selector, {
      received: (_bytes, transport) => transport.pauseReading(),
    });
    client.transport.write(bytes);
    while (server.length < bytes.length) {
      const { length } = server.chunks;
      server.transport.resumeReading();
      await server.until(() => server.chunks.length > length);
      assertEquals(server.chunks.length, length + 1);
    }
    assertSameBytes(server.bytes, bytes);
  });
});

Deno.test("who sends much is read by system calls, and received from again when little comes", async () => {
  let reads = 0;
  const load = breakingLoader((real) => ({
    recv: (...all) => {
      reads++;
      return real.recv(...all);
    },
  }));
  await withUring({ load }, async (selector) => {
    const { client, server } = await connectPair(selector);
    client.transport.writeText("little");
    await server.untilText("little");
    assertEquals(reads, 0);
    const bytes = noise(4 << 20, 9);
    client.transport.write(bytes);
    await server.until(() => server.length === 6 + bytes.length);
    assertSameBytes(server.bytes.subarray(6), bytes);
    assertLess(0, reads);
    let after = 0;
    for (let i = 1; i <= 5; i++) {
      client.transport.writeText("x");
      await server.until(() => server.length === 6 + bytes.length + i);
      if (i === 2) after = reads;
    }
    assertEquals(reads, after, "one little thing ends it");
    client.transport.write(bytes);
    await server.until(() => server.length === 11 + 2 * bytes.length);
    assertLess(after, reads);
    assertSameBytes(server.bytes.subarray(11 + bytes.length), bytes);
  });
});

Deno.test("much that comes is paused as anything is, and its end waits behind it", async () => {
  await withUring({}, async (selector) => {
    const bytes = noise(3 << 20, 10);
    let isPausing = true;
    const pair = await connectPair(selector, {
      received: (_bytes, transport) => {
        if (isPausing) transport.pauseReading();
      },
    });
    const { client, server } = pair;
    client.transport.write(bytes);
    client.transport.close();
    await server.until(() => server.chunks.length === 1);
    while (server.length < 2 << 20) {
      const { length } = server.chunks;
      await settle();
      assertEquals(server.chunks.length, length, "nothing comes meanwhile");
      server.transport.resumeReading();
      await server.until(() => server.chunks.length > length);
    }
    assertEquals(server.count("ended"), 0);
    isPausing = false;
    server.transport.resumeReading();
    await untilBothClosed(pair);
    assertSameBytes(server.bytes, bytes);
    assertEquals(server.count("ended"), 1);
  });
});

Deno.test("who sends much can be let go at any moment, and may vanish at any", async () => {
  let isBroken = false;
  const load = breakingLoader((real, fail) => ({
    recv: (...all) => isBroken ? fail(ECONNRESET) : real.recv(...all),
  }));
  await withUring({ load }, async (selector) => {
    for (const part of [1, 100_000, 1 << 20]) {
      const pair = await connectPair(selector);
      const { client, server } = pair;
      client.transport.write(noise(4 << 20, 11));
      await server.until(() => server.length >= part);
      if (part === 1) client.transport.abort();
      else server.transport.abort();
      await untilBothClosed(pair);
    }
    const { client, server } = await connectPair(selector);
    client.transport.write(noise(8 << 20, 12));
    await server.until(() => server.length >= 1 << 20);
    isBroken = true;
    const reason = await server.untilClosed();
    assertInstanceOf(reason, ConnectionResetError);
    client.transport.abort();
    await client.untilClosed();
  });
});

Deno.test("who keeps bytes on loan finds nonsense in them", async () => {
  await withUring({}, async (selector) => {
    let kept = new Uint8Array(0);
    const { client, server } = await connectPair(selector, {
      received: (bytes) => {
        kept = bytes as Uint8Array<ArrayBuffer>;
      },
    });
    client.transport.writeText("mine");
    await server.untilText("mine");
    await settle();
    assertEquals([...kept], [0xdb, 0xdb, 0xdb, 0xdb]);
  });
});

Deno.test("a selector whose completions come late or are refused for a while loses nothing", async () => {
  let calls = 0;
  await withUring({
    wrapKernel: (kernel) => {
      const { enter } = kernel;
      return Object.assign(Object.create(kernel), {
        setup: kernel.setup.bind(kernel),
        register: kernel.register.bind(kernel),
        mapRing: kernel.mapRing.bind(kernel),
        mapMemory: kernel.mapMemory.bind(kernel),
        reserve: kernel.reserve.bind(kernel),
        viewOf: kernel.viewOf.bind(kernel),
        close: kernel.close.bind(kernel),
        unmap: kernel.unmap.bind(kernel),
        discard: kernel.discard.bind(kernel),
        enter: (ring: number, count: number, min: number, flags: number) => {
          if (count > 1 && ++calls % 3 === 0) return -16; // EBUSY
          return enter.call(kernel, ring, calls % 3 === 1 ? Math.min(count, 1) : count, min, flags);
        },
      });
    },
  }, async (selector) => {
    const bytes = noise(500_000, 8);
    const { client, server } = await connectPair(selector, {
      received: (received, transport) => transport.write(received),
    });
    client.transport.write(bytes);
    await client.until(() => client.length === bytes.length);
    assertSameBytes(client.bytes, bytes);
    assert(calls > 3, "the kernel refused some");
    client.transport.close();
    await server.untilClosed();
  });
});

Deno.test("a connection that fails while others write to it gives everything back", async () => {
  await withUring({}, async (selector) => {
    const reader = new Recorder();
    const { client, server } = await connectPair(selector, {}, {});
    const chunk = new SharedChunk(noise(100_000, 9));
    server.transport.abort();
    for (let index = 0; index < 20; index++) {
      client.transport.writeShared(chunk);
      client.transport.writeText("more");
    }
    await client.untilClosed();
    chunk.release();
    assertEquals([chunk.refs, reader.calls], [0, []]);
  });
});

Deno.test("an abort is a reset at once, although a receive is still under way", async () => {
  await withUring({}, async (selector) => {
    const server = new Recorder();
    const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => server);
    const { libc } = selector;
    const peer = libc.call.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const address = new SocketAddress();
    address.setIp(libc, "127.0.0.1", (listener.addr as Deno.NetAddr).port);
    const timeout = new BigInt64Array([10n, 0n]); // `struct timeval`: so that a failure is one, and no wait for ever.
    libc.call.setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, new Int32Array(timeout.buffer), 16);
    assertEquals(libc.call.connect(peer, address.bytes, address.length), 0);
    await server.until(() => server.calls.includes("opened"));
    server.transport.abort();
    // This holds the thread, so that no entry can end before.
    assertEquals(libc.call.recv(peer, new Uint8Array(8), libc.size(8), 0), -1);
    assertEquals(libc.errno(), ECONNRESET);
    libc.call.close(peer);
    await server.untilClosed();
    await listener.close();
  });
});

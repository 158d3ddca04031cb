/** The selector contract: what is written, in which order it goes, and when writing is to pause. */

import { assert, assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { WriteAfterEndError } from "../../../io/errors.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import { Prng } from "../../../io/testing/prng.ts";
import { assertGrammar, assertSameBytes, connectPair, noise, Pump, type Subject } from "./harness.ts";

const encoder = new TextEncoder();

export function writingContract({ test, abilities }: Subject): void {
  test("an echo comes back as it was sent", async (selector) => {
    const { client } = await connectPair(selector, {
      received: (bytes, transport) => transport.write(bytes),
    });
    client.transport.writeText("hello, wörld");
    await client.untilText("hello, wörld");
  });

  test("four mebibytes go both ways at once, whole and in order, within the water marks", async (selector) => {
    const up = noise(4 << 20, 1);
    const down = noise(4 << 20, 2);
    const end = (recorder: { transport: { closeWrite(): void } }) => recorder.transport.closeWrite();
    const sending = new Pump(up, 10_000, end);
    const answering = new Pump(down, 40_000, end);
    const { client, server } = await connectPair(
      selector,
      { ...answering.hooks, ended: () => true },
      { ...sending.hooks, ended: () => true },
    );
    await Promise.all([client.untilClosed(), server.untilClosed()]);
    assertSameBytes(server.bytes, up);
    assertSameBytes(client.bytes, down);
    assertGrammar(client);
    assertGrammar(server);
  });

  test("all kinds of writes keep their order, whatever their sizes", async (selector) => {
    const prng = new Prng(3);
    const { client, server } = await connectPair(selector);
    const expected: Uint8Array[] = [];
    for (let i = 0; i < 300; i++) {
      const length = prng.skewed(40_000);
      const bytes = noise(length, i);
      const ascii = "x".repeat(length);
      const kind = prng.integer(0, 3);
      if (kind === 0) client.transport.write(bytes);
      if (kind === 1) client.transport.writeText(`${ascii}é€😀`);
      if (kind === 2) client.transport.writeLatin1(`${ascii}\xff`);
      if (kind === 3) {
        const chunk = new SharedChunk(bytes);
        client.transport.writeShared(chunk);
        chunk.release();
      }
      expected.push(
        [
          bytes,
          encoder.encode(`${ascii}é€😀`),
          new Uint8Array([...encoder.encode(ascii), 0xff]),
          bytes,
        ][kind]!,
      );
      if (prng.chance(0.1)) await Promise.resolve();
    }
    client.transport.close();
    await server.untilClosed();
    assertSameBytes(server.bytes, new Uint8Array(await new Blob(expected as BlobPart[]).arrayBuffer()));
  });

  test("written bytes are copied: their owner may use them again at once", async (selector) => {
    const { client, server } = await connectPair(selector);
    const small = encoder.encode("small");
    const big = noise(100_000, 4);
    const expected = big.slice();
    client.transport.write(small);
    client.transport.write(big);
    small.fill(0);
    big.fill(0);
    await server.until(() => server.length === 100_005);
    assertSameBytes(server.bytes.subarray(5), expected);
    assertEquals(server.text.slice(0, 5), "small");
  });

  test("what the peer has confirmed is all that it got, or nothing is told of it, and nothing once the connection is gone", async (selector) => {
    const { client, server } = await connectPair(selector);
    const { transport } = client;
    const isTold = /epoll|uring/.test(selector.kind);
    const before = transport.confirmedBytes;
    for (let sent = 1; sent <= 3; sent++) {
      transport.write(noise(100_000, sent));
      await server.until(() => server.length === sent * 100_000);
      const expected = isTold ? before + sent * 100_000 : 0;
      while (transport.confirmedBytes < expected) await new Promise((resolve) => setTimeout(resolve, 0)); // It is on its way.
      assertEquals(transport.confirmedBytes, expected);
    }
    transport.abort();
    await client.untilClosed();
    assertEquals(transport.confirmedBytes, 0);
  });

  test("a text that Latin-1 has no bytes for is refused, and nothing of it is written", async (selector) => {
    const { client, server } = await connectPair(selector);
    assertThrows(() => client.transport.writeLatin1("ab€"), RangeError);
    assertThrows(() => client.transport.writeLatin1("x".repeat(50_000) + "€"), RangeError);
    assertEquals(client.transport.bufferedBytes, 0);
    client.transport.writeLatin1("é");
    await server.until(() => server.length === 1);
    assertEquals(server.bytes, new Uint8Array([0xe9]));
  });

  test("writing nothing is nothing", async (selector) => {
    const { client, server } = await connectPair(selector);
    const empty = new SharedChunk(new Uint8Array(0));
    client.transport.write(new Uint8Array(0));
    client.transport.writeText("");
    client.transport.writeLatin1("");
    client.transport.writeShared(empty);
    assertEquals([client.transport.bufferedBytes, empty.refs], [0, 1]);
    client.transport.close();
    await server.untilClosed();
    assertEquals(server.calls, ["opened", "ended", "closed"]);
  });

  if (abilities.countSends !== null) {
    const { countSends } = abilities;
    test("what one turn writes goes out in one send, its microtasks included", async (selector) => {
      const { client, server } = await connectPair(selector, {
        received: (_bytes, transport) => {
          transport.writeText("a");
          queueMicrotask(() => {
            transport.writeText("b");
            Promise.resolve().then(() => Promise.resolve()).then(() => transport.writeText("c"));
          });
          transport.writeText("d");
        },
      });
      client.transport.writeText("go");
      const sends = await countSends(() => client.untilText("adbc"));
      assertEquals(sends, 2, "one for the question, one for the answer");
      assertEquals(server.text, "go");
    });

    test("copied and shared bytes of one turn go out in one send", async (selector) => {
      const { client, server } = await connectPair(selector);
      const chunk = new SharedChunk(encoder.encode("shared"));
      client.transport.writeText("before ");
      client.transport.writeShared(chunk);
      client.transport.writeText(" after");
      chunk.release();
      assertEquals(await countSends(() => server.untilText("before shared after")), 1);
    });
  }

  test("one shared chunk goes to many, and is released when the last one has it", async (selector) => {
    const chunk = new SharedChunk(noise(200_000, 5));
    let isFreed = false;
    chunk.onFree = () => isFreed = true;
    const pairs = [];
    for (let i = 0; i < 10; i++) pairs.push(await connectPair(selector));
    for (const { client } of pairs) client.transport.writeShared(chunk);
    assert(chunk.refs > 1, "transports hold it until it is sent");
    chunk.release();
    await Promise.all(pairs.map(({ server }) => server.until(() => server.length === 200_000)));
    for (const { server } of pairs) assertSameBytes(server.bytes, chunk.bytes);
    for (const { client } of pairs) client.transport.close();
    await Promise.all(pairs.map(({ client }) => client.untilClosed()));
    assertEquals([chunk.refs, isFreed], [0, true]);
  });

  test("a shared chunk that is never sent is released all the same", async (selector) => {
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    });
    const chunk = new SharedChunk(new Uint8Array(16 << 20));
    client.transport.writeShared(chunk);
    client.transport.abort();
    await client.untilClosed();
    assertEquals(chunk.refs, 1);
    client.transport.writeShared(chunk);
    assertEquals(chunk.refs, 1, "a closed transport takes nothing");
    server.transport.abort();
    await server.untilClosed();
  });

  test("writing is paused strictly above the high mark and resumed at or below the low one", async (selector) => {
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    });
    const { transport } = client;
    transport.setWriteLimits({ highBytes: 1_000, lowBytes: 100 });
    transport.write(new Uint8Array(1_000));
    assertEquals(
      [transport.bufferedBytes, client.count("pauseWriting")],
      [1_000, 0],
      "at the mark is not above it",
    );
    transport.write(new Uint8Array(1));
    transport.write(new Uint8Array(1));
    assertEquals(client.count("pauseWriting"), 1);
    await client.until(() => client.count("resumeWriting") === 1);
    assertEquals(client.bufferedAt[0], 1_001);
    assert(client.bufferedAt[1]! <= 100, `resumed at ${client.bufferedAt[1]}`);
    server.transport.resumeReading();
    await server.until(() => server.length === 1_002);
    assertEquals(transport.bufferedBytes, 0);
  });

  test("the marks can be moved while bytes are buffered, and act at once", async (selector) => {
    const { client } = await connectPair(selector);
    const { transport } = client;
    transport.write(new Uint8Array(500));
    transport.setWriteLimits({ highBytes: 400 });
    assertEquals(client.calls.slice(1), ["pauseWriting"]);
    transport.setWriteLimits({ highBytes: 4_000, lowBytes: 499 });
    assertEquals(client.calls.slice(1), ["pauseWriting"], "above the low mark still");
    transport.setWriteLimits({ highBytes: 4_000, lowBytes: 500 });
    assertEquals(client.calls.slice(1), ["pauseWriting", "resumeWriting"]);
    transport.setWriteLimits({ highBytes: 0 });
    assertEquals(client.calls.slice(1), ["pauseWriting", "resumeWriting", "pauseWriting"]);
    await client.until(() => client.count("resumeWriting") === 2);
    assertEquals(transport.bufferedBytes, 0, "a mark of 0 waits for the last byte");
  });

  test("marks that make no sense are refused", async (selector) => {
    const { client } = await connectPair(selector);
    for (
      const limits of [{ highBytes: -1 }, { highBytes: 1, lowBytes: 2 }, { highBytes: NaN }, {
        highBytes: 0.5,
      }]
    ) {
      assertThrows(() => client.transport.setWriteLimits(limits), RangeError);
    }
  });

  test("writing in pauseWriting and resumeWriting is allowed", async (selector) => {
    let more = 3;
    const { client, server } = await connectPair(selector, {}, {
      pauseWriting: (transport) => transport.writeText("!"),
      resumeWriting: (transport) => {
        if (more-- > 0) transport.write(new Uint8Array(70_000));
      },
    });
    client.transport.write(new Uint8Array(70_000));
    await server.until(() => server.length === 4 * 70_001);
  });

  test("a write after closeWrite is a mistake, and one after close or abort is dropped", async (selector) => {
    const { client, server } = await connectPair(selector, { ended: () => true });
    client.transport.closeWrite();
    for (const write of ["writeText", "writeLatin1"] as const) {
      const error = assertThrows(() => client.transport[write]("x"));
      assertInstanceOf(error, WriteAfterEndError);
    }
    const chunk = new SharedChunk(new Uint8Array(1));
    assertInstanceOf(assertThrows(() => client.transport.write(new Uint8Array(1))), WriteAfterEndError);
    assertInstanceOf(assertThrows(() => client.transport.writeShared(chunk)), WriteAfterEndError);
    assertEquals(chunk.refs, 1);
    client.transport.close();
    client.transport.writeText("dropped");
    server.transport.abort();
    server.transport.writeText("dropped");
    await Promise.all([client.untilClosed(), server.untilClosed()]);
    client.transport.writeText("dropped");
    assertStrictEquals(client.transport.bufferedBytes, 0);
    assertEquals([client.text, server.text], ["", ""]);
  });

  test("a write of every method in opened reaches the peer", async (selector) => {
    const { client } = await connectPair(selector, { opened: (transport) => transport.writeText("welcome") });
    await client.untilText("welcome");
  });
}

/** The selector contract: every way a connection can end. */

import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ConnectionAbortedError, ConnectionError, ConnectionResetError } from "../../../io/errors.ts";
import type { Transport } from "../../../io/selector.ts";
import {
  assertGrammar,
  assertSameBytes,
  connectPair,
  noise,
  settle,
  type Subject,
  untilBothClosed,
} from "./harness.ts";
import type { RecorderHooks } from "./recorder.ts";

/** Ways one side can end a connection, by itself, at any time. */
const ENDINGS: Readonly<Record<string, (transport: Transport) => void>> = {
  "close": (transport) => transport.close(),
  "close twice": (transport) => {
    transport.close();
    transport.close();
  },
  "abort": (transport) => transport.abort(),
  "close, then abort": (transport) => {
    transport.close();
    transport.abort();
  },
  "abort, then close": (transport) => {
    transport.abort();
    transport.close();
  },
  "closeWrite, then close": (transport) => {
    transport.closeWrite();
    transport.close();
  },
  "closeWrite, then abort": (transport) => {
    transport.closeWrite();
    transport.abort();
  },
  "write, then close": (transport) => {
    transport.writeText("bye");
    transport.close();
  },
  "write much, then abort": (transport) => {
    transport.write(new Uint8Array(8 << 20));
    transport.abort();
  },
  "write, then closeWrite": (transport) => {
    transport.writeText("bye");
    transport.closeWrite();
  },
  "pauseReading, then close": (transport) => {
    transport.pauseReading();
    transport.close();
  },
};

/** Where a protocol throws. */
const THROWERS: Readonly<Record<string, (fail: () => never) => RecorderHooks>> = {
  "opened": (fail) => ({ opened: fail }),
  "received": (fail) => ({ received: fail }),
  "ended": (fail) => ({ ended: fail }),
  "pauseWriting": (fail) => ({
    opened: (transport) => transport.write(new Uint8Array(100_000)),
    pauseWriting: fail,
  }),
  "resumeWriting": (fail) => ({
    opened: (transport) => transport.write(new Uint8Array(100_000)),
    resumeWriting: fail,
  }),
};

export function closingContract(subject: Subject): void {
  endingsContract(subject);
  halfCloseContract(subject);
  resetContract(subject);
  throwingContract(subject);
}

function endingsContract({ test }: Subject): void {
  for (const [name, end] of Object.entries(ENDINGS)) {
    test(`closed comes exactly once on both sides: ${name}`, async (selector) => {
      const ends: RecorderHooks[] = [
        {},
        { opened: end },
        { received: (_bytes, transport) => end(transport) },
        { ended: end },
      ];
      for (const hooks of ends) {
        const pair = await connectPair(selector, hooks);
        const { client, server } = pair;
        const isConnected = client.calls.length > 0;
        if (isConnected) client.transport.writeText("x");
        if (isConnected && !hooks.opened && !hooks.received) end(client.transport);
        await untilBothClosed(pair);
        for (const side of isConnected ? [client, server] : [server]) {
          assertEquals([side.count("closed"), side.transport.isClosing], [1, true]);
          assertGrammar(side);
        }
      }
    });

    test(`closed comes exactly once when both sides end at once: ${name}`, async (selector) => {
      for (const other of Object.values(ENDINGS)) {
        const { client, server } = await connectPair(selector);
        end(client.transport);
        other(server.transport);
        await Promise.all([client.untilClosed(), server.untilClosed()]);
        assertGrammar(client);
        assertGrammar(server);
      }
    });
  }

  test("close sends what was written first, and ends in order", async (selector) => {
    const bytes = noise(3 << 20, 9);
    const { client, server } = await connectPair(selector);
    client.transport.write(bytes);
    client.transport.close();
    assertEquals([client.transport.isClosing, client.calls.includes("closed")], [true, false]);
    assertStrictEquals(await server.untilClosed(), null);
    assertStrictEquals(await client.untilClosed(), null);
    assertSameBytes(server.bytes, bytes);
    assertEquals(server.calls.slice(-2), ["ended", "closed"]);
    assertEquals(client.calls.includes("ended"), false, "who closed hears no end");
  });

  test("close waits for a peer that reads later", async (selector) => {
    const bytes = noise(8 << 20, 10);
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    });
    client.transport.write(bytes);
    client.transport.close();
    assertEquals(client.reason, undefined);
    server.transport.resumeReading();
    await server.untilClosed();
    assertSameBytes(server.bytes, bytes);
    assertStrictEquals(await client.untilClosed(), null);
  });

  test("nothing is received after close was called", async (selector) => {
    const { client, server } = await connectPair(selector, {
      received: (_bytes, transport) => transport.close(),
    });
    client.transport.write(new Uint8Array(1 << 20));
    await Promise.all([client.untilClosed(), server.untilClosed()]);
    assertEquals(server.chunks.length, 1);
  });
}

function halfCloseContract({ test }: Subject): void {
  test("an end that is not answered with true closes the connection, after what was written", async (selector) => {
    for (const answer of [undefined, false] as const) {
      const { client, server } = await connectPair(selector, {
        ended: (transport) => {
          transport.writeText("goodbye");
          return answer;
        },
      });
      client.transport.closeWrite();
      assertStrictEquals(await client.untilClosed(), null);
      assertStrictEquals(await server.untilClosed(), null);
      assertEquals(client.text, "goodbye");
      assertEquals(client.calls.slice(-2), ["ended", "closed"]);
    }
  });

  test("an end answered with true leaves the write side open, for as long as it takes", async (selector) => {
    const bytes = noise(1 << 20, 11);
    const { client, server } = await connectPair(selector, { ended: () => true });
    client.transport.closeWrite();
    client.transport.closeWrite();
    assertEquals(client.transport.isClosing, false);
    await server.until(() => server.count("ended") === 1);
    server.transport.write(bytes);
    await client.until(() => client.length === bytes.length);
    server.transport.writeText("!");
    server.transport.closeWrite();
    assertStrictEquals(await server.untilClosed(), null);
    assertStrictEquals(await client.untilClosed(), null);
    assertSameBytes(client.bytes.subarray(0, bytes.length), bytes);
    assertEquals(client.length, bytes.length + 1);
  });

  test("closeWrite sends what was written first", async (selector) => {
    const bytes = noise(2 << 20, 12);
    const { client, server } = await connectPair(selector, { ended: () => true });
    client.transport.write(bytes);
    client.transport.closeWrite();
    await server.until(() => server.count("ended") === 1);
    assertSameBytes(server.bytes, bytes);
    server.transport.close();
    await client.untilClosed();
  });

  test("both sides may end their writing first and still be closed in order", async (selector) => {
    const { client, server } = await connectPair(selector, {}, {});
    client.transport.closeWrite();
    server.transport.closeWrite();
    assertEquals(await Promise.all([client.untilClosed(), server.untilClosed()]), [null, null]);
    assertEquals(client.calls, ["opened", "ended", "closed"]);
    assertEquals(server.calls, ["opened", "ended", "closed"]);
  });

  test("who ends its writing while reading is paused hears the end of a peer that had ended before", async (selector) => {
    for (const isPausedAgain of [false, true]) {
      const { client, server } = await connectPair(
        selector,
        {
          opened: (transport) => transport.pauseReading(),
          received: (_bytes, transport) => isPausedAgain && transport.pauseReading(),
        },
        { ended: () => true },
      );
      client.transport.writeText("last");
      client.transport.closeWrite();
      await settle();
      server.transport.closeWrite();
      await client.until(() => client.count("ended") === 1 || client.reason !== undefined);
      await settle();
      assertEquals(server.calls, ["opened"]);
      server.transport.resumeReading();
      await server.untilText("last");
      if (isPausedAgain) {
        await settle();
        assertEquals(server.calls, ["opened", "received"]);
        server.transport.resumeReading();
      }
      assertEquals(await server.untilClosed(), null);
      assertEquals([server.text, server.count("ended")], ["last", 1]);
      assertGrammar(server);
      await client.untilClosed();
    }
  });

  test("who has ended its writing and reads with pauses gets all that the peer sent, before the end", async (selector) => {
    for (const length of [1, 20_000, 3 << 20]) {
      for (const pauses of [1, 3]) {
        let left = pauses;
        const received = (_bytes: Uint8Array, transport: Transport): void => {
          if (left-- > 0) transport.pauseReading();
        };
        const bytes = noise(length, length);
        const ended = (transport: Transport): true => {
          transport.write(bytes);
          transport.closeWrite();
          return true;
        };
        const { client, server } = await connectPair(selector, { received }, { ended });
        server.transport.closeWrite();
        for (let pause = 0; pause < pauses && server.length < length; pause++) {
          await server.until(() => !server.transport.isReading);
          await settle();
          server.transport.resumeReading();
        }
        assertEquals(await server.untilClosed(), null, `${length} bytes, ${pauses} pauses`);
        assertSameBytes(server.bytes, bytes);
        assertGrammar(server);
        assertEquals(server.count("ended"), 1);
        await client.untilClosed();
      }
    }
  });
}

function resetContract({ test }: Subject): void {
  test("abort is seen as a reset by the peer, and as its reason by who called it", async (selector) => {
    for (const reason of [undefined, new Error("enough")]) {
      const { client, server } = await connectPair(selector);
      client.transport.abort(reason);
      const own = await client.untilClosed();
      if (reason === undefined) assertInstanceOf(own, ConnectionAbortedError);
      else assertStrictEquals(own, reason);
      assertInstanceOf(await server.untilClosed(), ConnectionResetError);
      assertEquals(server.calls, ["opened", "closed"]);
    }
  });

  test("abort drops what is buffered, and the peer does not take what it has for complete", async (selector) => {
    const { client, server } = await connectPair(selector);
    server.transport.pauseReading();
    client.transport.write(new Uint8Array(16 << 20));
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    client.transport.abort();
    assertEquals(client.transport.bufferedBytes, 0);
    await client.untilClosed();
    server.transport.resumeReading();
    assertInstanceOf(await server.untilClosed(), ConnectionError);
    assertEquals(server.count("ended"), 0);
  });

  test("abort resets also when our end was sent and seen", async (selector) => {
    const { client, server } = await connectPair(selector, { ended: () => true });
    client.transport.closeWrite();
    await server.until(() => server.count("ended") === 1);
    client.transport.abort();
    assertInstanceOf(await client.untilClosed(), ConnectionAbortedError);
    while (server.reason === undefined) {
      server.transport.writeText("x");
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
    assertInstanceOf(server.reason, ConnectionResetError);
    assertGrammar(client);
    assertGrammar(server);
  });

  test("only the first of several aborts counts", async (selector) => {
    const { client, server } = await connectPair(selector);
    const first = new Error("first");
    client.transport.abort(first);
    client.transport.abort(new Error("second"));
    assertStrictEquals(await client.untilClosed(), first);
    client.transport.abort();
    await server.untilClosed();
    assertEquals(client.count("closed"), 1);
  });

  test("a peer that vanishes in the middle of a write is noticed", async (selector) => {
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    });
    client.transport.write(new Uint8Array(16 << 20));
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    server.transport.abort();
    assertInstanceOf(await client.untilClosed(), ConnectionResetError);
    await server.untilClosed();
  });

  test("a reset is noticed by who reads", async (selector) => {
    const { client, server } = await connectPair(selector);
    server.transport.abort();
    assertInstanceOf(await client.untilClosed(), ConnectionResetError);
    await server.untilClosed();
  });

  test("a reset is noticed by who has paused reading, at the latest when it writes", async (selector) => {
    const { client, server } = await connectPair(selector, {}, {
      opened: (transport) => transport.pauseReading(),
    });
    server.transport.abort();
    await server.untilClosed();
    client.transport.writeText("x");
    assertInstanceOf(await client.untilClosed(), ConnectionResetError);
  });

  test("a reset is noticed by who ends its writing when it has come", async (selector) => {
    const { client, server } = await connectPair(selector);
    await settle();
    client.transport.abort();
    server.transport.closeWrite();
    assertInstanceOf(await server.untilClosed(), ConnectionResetError);
    assertEquals(server.calls, ["opened", "closed"]);
    await client.untilClosed();
  });

  test("a reset is no end for who has ended its writing and paused reading", async (selector) => {
    const { client, server } = await connectPair(selector, {
      opened: (transport) => transport.pauseReading(),
    }, { ended: () => true });
    server.transport.closeWrite();
    await client.until(() => client.count("ended") === 1);
    client.transport.writeText("never to be the last");
    await settle();
    client.transport.abort();
    await client.untilClosed();
    await settle();
    server.transport.resumeReading();
    assertInstanceOf(await server.untilClosed(), ConnectionResetError);
    assertEquals(server.count("ended"), 0);
    assertGrammar(server);
  });

  test("writing on to a peer that closed for good ends in a reset", async (selector) => {
    const { client, server } = await connectPair(selector, {}, { ended: () => true });
    server.transport.close();
    await client.until(() => client.count("ended") === 1);
    while (client.reason === undefined) {
      client.transport.writeText("x");
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
    assertInstanceOf(client.reason, ConnectionResetError);
  });
}

function throwingContract({ test }: Subject): void {
  for (const [method, hooks] of Object.entries(THROWERS)) {
    test(`a protocol that throws in ${method} aborts its own connection and nothing else`, async (selector) => {
      const error = new Error(`thrown in ${method}`);
      const other = await connectPair(selector, { received: (bytes, transport) => transport.write(bytes) });
      const { client, server } = await connectPair(
        selector,
        hooks(() => {
          throw error;
        }),
        { ended: () => true },
      );
      if (client.calls.length > 0) {
        client.transport.writeText("x");
        client.transport.closeWrite();
        assertInstanceOf(await client.untilClosed(), ConnectionResetError);
      }
      assertStrictEquals(await server.untilClosed(), error);
      assertEquals(server.calls.at(-1), "closed");
      other.client.transport.writeText("still here");
      await other.client.untilText("still here");
    });
  }

  test("what is thrown and is no Error becomes the cause of one", async (selector) => {
    const { client, server } = await connectPair(selector, {
      received: () => {
        throw "a string";
      },
    });
    client.transport.writeText("x");
    const reason = await server.untilClosed();
    assertInstanceOf(reason, ConnectionAbortedError);
    assertEquals(reason.cause, "a string");
    await client.untilClosed();
  });
}

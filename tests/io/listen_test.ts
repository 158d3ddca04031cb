import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { connect } from "../../io/connect.ts";
import {
  AddressInUseError,
  ConnectionAbortedError,
  ConnectionClosedError,
  ConnectionResetError,
  DeadlineExceededError,
} from "../../io/errors.ts";
import { listen, type StreamHandler, type StreamListenOptions } from "../../io/listen.ts";
import { openSelector } from "../../io/open_selector.ts";
import type { ConnectOptions, Selector, TcpAddr } from "../../io/selector.ts";
import { CheckedSelector } from "../../io/selectors/checked.ts";
import { TaskLeakError, TaskLimitError } from "../../io/task_group.ts";
import { MemorySelector } from "../../io/testing/memory_selector.ts";
import { Prng } from "../../io/testing/prng.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";

const text = (read: Uint8Array) => new TextDecoder().decode(read);

/** More than the water marks, the pipe in memory and the kernel's buffers hold together. */
const FLOOD_BYTES = 16 * 1024 * 1024;

const SELECTORS: Record<string, () => Selector> = {
  system: () => openSelector(), // Which one, SLUICE_SELECTOR says.
  memory: () => new MemorySelector(),
};

/** Runs a test on every selector, observed by the checking wrapper. */
function testOnAll(name: string, test: (selector: Selector) => Promise<void>): void {
  for (const [kind, open] of Object.entries(SELECTORS)) {
    Deno.test(`${kind}: ${name}`, async () => {
      const selector = new CheckedSelector(open());
      try {
        await test(selector);
      } finally {
        await selector.close();
      }
      selector.assertClean();
    });
  }
}

/** A server on a free port, what its handlers threw, and how to reach it. */
function setUp(selector: Selector, handler: StreamHandler, options: Partial<StreamListenOptions> = {}) {
  const errors: unknown[] = [];
  const all = { hostname: "127.0.0.1", port: 0, onError: (error: unknown) => errors.push(error), ...options };
  const server = listen(selector, all as StreamListenOptions, handler);
  return { server, errors, target: server.addr as TcpAddr & ConnectOptions };
}

const echoLines: StreamHandler = async (reader, writer) => {
  for await (const line of reader) {
    writer.write(line);
    await writer.drain();
  }
};

testOnAll("50 clients at once get their own lines back, whole and in order", async (selector) => {
  const { server, errors, target } = setUp(selector, echoLines);
  await Promise.all(Array.from({ length: 50 }, async (_, client) => {
    const prng = new Prng(client);
    await using connection = await connect(selector, target);
    const { reader, writer } = connection;
    for (let batch = 0; batch < 5; batch++) {
      const lines = Array.from({ length: prng.integer(1, 8) }, (_, index) => `${client}.${batch}.${index}`)
        .map((head) => head.padEnd(head.length + prng.skewed(5000), "é") + "\n");
      writer.writeLines(lines);
      for (const line of lines) assertEquals(text(await reader.readLine({ timeoutMs: 30_000 })), line);
    }
    writer.closeWrite();
    assertEquals((await reader.read()).length, 0);
  }));
  assertEquals(server.stats.accepted, 50);
  assertEquals(await server.close(), { cut: 0, leaked: 0 });
  assertEquals([errors, server.handlersCount, server.stats.open], [[], 0, 0]);
});

testOnAll("what a handler wrote last arrives, then the connection is closed", async (selector) => {
  const { server, target } = setUp(selector, async (reader, writer) => {
    writer.writeText(`${text(await reader.readLine())}!`);
    writer.write(new Uint8Array(1_000_000));
  });
  await using client = await connect(selector, target);
  client.writer.writeText("hello\n");
  const answer = await client.reader.read();
  assertEquals([text(answer.subarray(0, 7)), answer.length], ["hello\n!", 1_000_007]);
  await server.close();
});

testOnAll("a handler that throws loses its own connection by a reset, and is reported", async (selector) => {
  const failure = new Error("a bug");
  const { server, errors, target } = setUp(selector, async (reader, writer) => {
    const line = text(await reader.readLine());
    if (line === "fail\n") throw failure;
    if (line === "fail strangely\n") throw "not an error";
    writer.writeText(line);
  });
  await using good = await connect(selector, target);
  for (const line of ["fail\n", "fail strangely\n"]) {
    await using bad = await connect(selector, target);
    bad.writer.writeText(line);
    await assertRejects(() => bad.reader.read(), ConnectionResetError);
  }
  assertEquals(errors, [failure, "not an error"]);
  good.writer.writeText("fine\n");
  assertEquals(text(await good.reader.read()), "fine\n");
  await server.close();
});

testOnAll(
  "drain() waits for a reader that stalls, memory stays bounded, and all arrives in the end",
  async (selector) => {
    const written = Promise.withResolvers<number>();
    let most = 0;
    const { server, errors, target } = setUp(selector, async (_reader, writer) => {
      const block = new Uint8Array(10_000).fill(7);
      let sent = 0;
      for (; sent < FLOOD_BYTES; sent += block.length) {
        writer.write(block);
        most = Math.max(most, writer.transport.bufferedBytes);
        try {
          await writer.drain({ timeoutMs: 50 });
        } catch (error) {
          assertInstanceOf(error, DeadlineExceededError);
          written.resolve(sent);
          await writer.drain();
        }
      }
      writer.writeText("end");
    });
    await using client = await connect(selector, target);
    client.writer.transport.pauseReading();
    assert(await written.promise < FLOOD_BYTES, "the stall was noticed");
    assert(most <= 64 * 1024 + 10_000, `${most} bytes were buffered`);
    client.writer.transport.resumeReading();
    const all = await client.reader.read(-1, { maxBytes: 2 * FLOOD_BYTES });
    assertEquals(text(all.subarray(-3)), "end");
    assertEquals((all.length - 3) % 10_000, 0);
    assert(all.length > FLOOD_BYTES && all.subarray(0, -3).every((byte) => byte === 7));
    await server.close();
    assertEquals(errors, []);
  },
);

testOnAll("many drains wait at once, and a reset ends them all", async (selector) => {
  const outcomes = Promise.withResolvers<unknown[]>();
  const { server, target } = setUp(selector, async (_reader, writer) => {
    const writeForEver = async () => {
      for (;;) {
        writer.write(new Uint8Array(1_000_000));
        await writer.drain();
      }
    };
    outcomes.resolve(
      await Promise.all(Array.from({ length: 5 }, () => writeForEver().catch((error) => error))),
    );
  });
  await using client = await connect(selector, target);
  await client.reader.readExactly(1000);
  client.writer.transport.pauseReading();
  client.writer.abort();
  const errors = await outcomes.promise;
  assertEquals(errors.length, 5);
  for (const error of errors) assertInstanceOf(error, ConnectionResetError);
  await server.close();
});

testOnAll(
  "a reset in the middle of readExactly fails it, and what came can still be read",
  async (selector) => {
    const seen = Promise.withResolvers<[unknown, string, unknown]>();
    const arrived = Promise.withResolvers<void>();
    const { server, errors, target } = setUp(selector, async (reader, writer) => {
      assertEquals(text(await reader.readExactly(4)), "head");
      arrived.resolve();
      const first = await reader.readExactly(10).catch((error) => error);
      const rest = text(await reader.read(10));
      seen.resolve([first, rest, await reader.read(10).catch((error) => error)]);
      await assertRejects(() => writer.drain(), ConnectionResetError);
    });
    await using client = await connect(selector, target);
    client.writer.writeText("headpart");
    await arrived.promise;
    client.writer.abort();
    const [first, rest, second] = await seen.promise;
    assertInstanceOf(first, ConnectionResetError);
    assertEquals(rest, "part");
    assertStrictEquals(second, first);
    await server.close();
    assertEquals(errors, []);
  },
);

testOnAll("a client's end leaves the server's half open for the answer", async (selector) => {
  const { server, target } = setUp(selector, async (reader, writer) => {
    const all = await reader.read();
    assert(reader.atEof());
    writer.writeText(`${all.length} bytes`);
  });
  await using client = await connect(selector, target);
  client.writer.write(new Uint8Array(300_000));
  client.writer.closeWrite();
  assertEquals(text(await client.reader.read()), "300000 bytes");
  await server.close();
});

testOnAll("web streams carry the same bytes both ways, with backpressure", async (selector) => {
  const { server, errors, target } = setUp(
    selector,
    (reader, writer) => reader.readable.pipeTo(writer.writable),
  );
  await using client = await connect(selector, target);
  const prng = new Prng(1);
  const sent = Uint8Array.from({ length: 2_000_000 }, () => prng.integer(0, 255));
  const sending = new Blob([sent]).stream().pipeTo(client.writer.writable);
  const received = new Uint8Array(await new Response(client.reader.readable).arrayBuffer());
  await sending;
  assertEquals(received.length, sent.length);
  assert(received.every((byte, index) => byte === sent[index]));
  await server.close();
  assertEquals(errors, []);
});

testOnAll("a read that was given up loses no byte on a real connection", async (selector) => {
  const { server, target } = setUp(selector, async (reader, writer) => {
    writer.writeText(await reader.readLine({ timeoutMs: 20 }).then(text, (error) => `${error.code}\n`));
    writer.writeText(text(await reader.readLine()));
  });
  await using client = await connect(selector, target);
  client.writer.writeText("first half, ");
  assertEquals(text(await client.reader.readLine()), "SLUICE_DEADLINE_EXCEEDED\n");
  client.writer.writeText("second half\n");
  assertEquals(text(await client.reader.readLine()), "first half, second half\n");
  await server.close();
});

testOnAll("close() waits for handlers, and accepts nobody meanwhile", async (selector) => {
  const entered = Promise.withResolvers<void>();
  const { server, target } = setUp(selector, async (reader, writer) => {
    entered.resolve();
    writer.writeText(text(await reader.readLine()));
  });
  await using client = await connect(selector, target);
  await entered.promise;
  const closing = server.close();
  assertStrictEquals(server.close({ graceMs: 1 }), closing, "the first call counts");
  await assertRejects(() => connect(selector, target));
  client.writer.writeText("last words\n");
  assertEquals(text(await client.reader.read()), "last words\n");
  assertEquals(await closing, { cut: 0, leaked: 0 });
});

testOnAll(
  "close() cuts what is not done in time, tells its handlers, and reports it as no error",
  async (selector) => {
    const signals: AbortSignal[] = [];
    const seen: unknown[] = [];
    const { server, errors, target } = setUp(selector, async (reader, _writer, signal) => {
      signals.push(signal);
      await reader.readExactly(1).catch((error) => seen.push(error) && Promise.reject(error));
    });
    const clients = await Promise.all([1, 2, 3].map(() => connect(selector, target)));
    clients[0]!.writer.writeText("x"); // one is done
    assertEquals((await clients[0]!.reader.read()).length, 0);
    assertEquals(await server.close({ graceMs: 20 }), { cut: 2, leaked: 0 });
    assert(signals.length === 3 && signals.every((signal) => signal.aborted));
    assertEquals(seen.length, 2);
    for (const error of seen) assertInstanceOf(error, ConnectionAbortedError);
    assertEquals(errors, []);
    await Promise.all(clients.map((client) => client.writer.closeWithin(1000)));
  },
);

testOnAll("connections above connectionsMax are refused and counted", async (selector) => {
  const { server, target } = setUp(selector, echoLines, { connectionsMax: 2 });
  const first = await connect(selector, target);
  const second = await connect(selector, target);
  for (const { reader, writer } of [first, second]) {
    writer.writeText("in\n");
    await reader.readLine();
  }
  // Whether the refusal comes before or after the connection is made is the system's choice.
  const refused = await connect(selector, target).then(({ reader }) => reader.read(1)).catch((error) =>
    error
  );
  assert(refused instanceof ConnectionResetError || refused.length === 0, `${refused}`);
  assertEquals([server.stats.accepted, server.stats.refused], [2, 1]);
  for (const { writer } of [first, second]) await writer.closeWithin(1000);
  await server.close();
});

testOnAll("a drain on a connection that we closed in order fails after the close", async (selector) => {
  const { server, target } = setUp(selector, echoLines);
  await using client = await connect(selector, target);
  client.writer.writeText("bye\n");
  client.writer.close();
  await assertRejects(() => client.writer.drain(), ConnectionClosedError);
  await client.writer.waitClosed();
  await server.close();
});

testOnAll("a taken port is thrown from the call", async (selector) => {
  const { server, target } = setUp(selector, echoLines);
  assertThrows(() => setUp(selector, echoLines, { port: target.port }), AddressInUseError);
  await server.close();
});

testOnAll("IPv6 works like IPv4", async (selector) => {
  const { server, target } = setUp(selector, echoLines, { hostname: "::1" });
  assertEquals(target.hostname, "::1");
  await using client = await connect(selector, target);
  client.writer.writeText("six\n");
  assertEquals(text(await client.reader.readLine()), "six\n");
  client.writer.close();
  await server.close();
});

testOnAll("Unix sockets work like TCP", async (selector) => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/echo.sock`;
    const onError = (error: unknown) => assertEquals(error, null);
    const server = listen(selector, { transport: "unix", path, onError }, echoLines);
    assertEquals(server.addr, { transport: "unix", path });
    await using client = await connect(selector, { transport: "unix", path });
    client.writer.writeText("unix\n");
    assertEquals(text(await client.reader.readLine()), "unix\n");
    client.writer.close();
    await server.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a peer that does not take the last bytes is cut off after closeTimeoutMs", async () => {
  const clock = new VirtualClock();
  await using selector = new MemorySelector({ clock });
  const { server, errors, target } = setUp(
    selector,
    (_reader, writer) => writer.write(new Uint8Array(FLOOD_BYTES)),
    {
      closeTimeoutMs: 1000,
    },
  );
  await using client = await connect(selector, target);
  client.writer.transport.pauseReading();
  await clock.advance(996);
  assertEquals(server.handlersCount, 1);
  await clock.advance(20);
  await selector.runUntilIdle();
  assertEquals([server.handlersCount, errors], [0, []]);
  client.writer.transport.resumeReading();
  await assertRejects(() => client.reader.read(-1, { maxBytes: 2 * FLOOD_BYTES }), ConnectionResetError);
  assertEquals(await server.close(), { cut: 0, leaked: 0 });
});

Deno.test("handlers that do not end even when cut are reported by name", async () => {
  const clock = new VirtualClock();
  await using selector = new MemorySelector({ clock });
  const forEver = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const { server, errors, target } = setUp(selector, () => {
    entered.resolve();
    return forEver.promise;
  });
  await using client = await connect(selector, target);
  await entered.promise;
  const closing = server.close({ graceMs: 100 });
  await clock.advance(100);
  await clock.advance(10_000);
  assertEquals(await closing, { cut: 1, leaked: 1 });
  assert(errors.length === 1 && errors[0] instanceof TaskLeakError);
  await assertRejects(() => client.reader.read(), ConnectionResetError);
  forEver.resolve();
});

Deno.test("a connection that was under way when the server closed is refused, and no error", async () => {
  await using selector = new MemorySelector();
  const { server, errors, target } = setUp(selector, echoLines);
  await using client = await connect(selector, target); // made, but not yet given to the server
  const report = await server.close();
  await assertRejects(() => client.reader.read(), ConnectionResetError);
  assertEquals([report, errors], [{ cut: 0, leaked: 0 }, []]);
});

Deno.test("handlers that outlive their connections count, and new connections are refused", async () => {
  await using selector = new MemorySelector();
  const work = Promise.withResolvers<void>();
  const { server, errors, target } = setUp(selector, () => work.promise, { connectionsMax: 1 });
  const first = await connect(selector, target);
  first.writer.abort();
  await selector.runUntilIdle();
  assertEquals([server.stats.open, server.handlersCount], [0, 1]);
  await using second = await connect(selector, target);
  await assertRejects(() => second.reader.read(), ConnectionResetError);
  assert(errors.length === 1 && errors[0] instanceof TaskLimitError);
  work.resolve();
  await server.close();
});

Deno.test("an error listener that throws is an uncaught error, and the server goes on", async () => {
  await using selector = new MemorySelector();
  const thrown: unknown[] = [];
  const onUncaught = (event: ErrorEvent) => {
    event.preventDefault();
    thrown.push(event.error);
  };
  globalThis.addEventListener("error", onUncaught);
  try {
    const bug = new Error("in the listener");
    const { server, target } = setUp(selector, async (reader, writer) => {
      if (text(await reader.readLine()) === "fail\n") throw new Error("in the handler");
      writer.writeText("fine");
    }, {
      onError: () => {
        throw bug;
      },
    });
    for (const [line, answer] of [["fail\n", null], ["go\n", "fine"]] as const) {
      await using client = await connect(selector, target);
      client.writer.writeText(line);
      assertEquals(await client.reader.read().then(text, () => null), answer);
    }
    assertEquals(thrown, [bug]);
    await server.close();
  } finally {
    globalThis.removeEventListener("error", onUncaught);
  }
});

Deno.test("options out of range are refused before anything listens", async () => {
  await using selector = new MemorySelector();
  for (
    const options of [{ closeTimeoutMs: -1 }, { closeTimeoutMs: NaN }, { limitBytes: 0 }, {
      connectionsMax: 0,
    }]
  ) {
    assertThrows(() => setUp(selector, echoLines, { port: 80, ...options }), RangeError);
  }
  await setUp(selector, echoLines, { port: 80 }).server.close();
});

Deno.test("leaving the scope of a server closes it", async () => {
  await using selector = new MemorySelector();
  {
    await using server = setUp(selector, echoLines, { port: 80 }).server;
    server.unref();
    server.ref();
  }
  await setUp(selector, echoLines, { port: 80 }).server.close();
});

/** The selector contract: listening, connecting, deadlines, and the end of the selector itself. */

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  AddressInUseError,
  AddressNotAvailableError,
  ConnectionAbortedError,
  ConnectionRefusedError,
  ConnectionResetError,
  SelectorClosedError,
  UnreachableError,
} from "../../../io/errors.ts";
import type { Selector, TcpAddr } from "../../../io/selector.ts";
import { connectPair, type Subject, target } from "./harness.ts";
import { Recorder } from "./recorder.ts";

const anyPort = { hostname: "127.0.0.1", port: 0 } as const;

export function openingContract(subject: Subject): void {
  listeningContract(subject);
  connectingContract(subject);
  lifeContract(subject);
}

/** A port that was listened on a moment ago. */
async function unusedAddr(selector: Selector): Promise<TcpAddr> {
  const listener = selector.listen(anyPort, () => new Recorder());
  await listener.close();
  return listener.addr as TcpAddr;
}

function listeningContract({ test }: Subject): void {
  test("the address is bound, and its port known, when listen returns", async (selector) => {
    const { addr } = selector.listen(anyPort, () => new Recorder());
    assert(addr.transport === "tcp");
    assertEquals(addr.hostname, "127.0.0.1");
    assert(addr.port > 0);
    await selector.connect(target(addr), () => new Recorder());
  });

  test("localhost means 127.0.0.1", (selector) => {
    const { addr } = selector.listen({ hostname: "localhost", port: 0 }, () => new Recorder());
    assertEquals(addr.transport === "tcp" && addr.hostname, "127.0.0.1");
    return Promise.resolve();
  });

  test("no hostname means every IPv4 address", async (selector) => {
    const { addr } = selector.listen({ port: 0 }, () => new Recorder());
    assert(addr.transport === "tcp");
    assertEquals(addr.hostname, "0.0.0.0");
    await selector.connect({ hostname: "127.0.0.1", port: addr.port }, () => new Recorder());
  });

  test("IPv6 works like IPv4", async (selector) => {
    const { client, server, listener } = await connectPair(selector, {}, {}, { hostname: "::1" });
    assertEquals(listener.addr.transport === "tcp" && listener.addr.hostname, "::1");
    client.transport.writeText("six");
    await server.untilText("six");
  });

  test("an address in use is refused from the call", (selector) => {
    const { addr } = selector.listen(anyPort, () => new Recorder());
    const { hostname, port } = addr as TcpAddr;
    const error = assertThrows(
      () => selector.listen({ hostname, port }, () => new Recorder()),
      AddressInUseError,
    );
    assertEquals(error.address, `${hostname}:${port}`);
    return Promise.resolve();
  });

  test("a name is no address to listen on", (selector) => {
    assertThrows(
      () => selector.listen({ hostname: "example.com", port: 0 }, () => new Recorder()),
      AddressNotAvailableError,
    );
    return Promise.resolve();
  });

  test("options that make no sense are refused", (selector) => {
    for (
      const bad of [{ port: -1 }, { port: 65_536 }, { port: 1.5 }, { port: 0, connectionsMax: 0 }, {
        port: 0,
        backlog: 0,
      }]
    ) {
      assertThrows(() => selector.listen(bad, () => new Recorder()), RangeError);
    }
    return Promise.resolve();
  });

  test("a listener that is closed accepts no more, and its connections go on", async (selector) => {
    const { client, server, listener } = await connectPair(selector);
    await listener.close();
    await listener.close();
    await assertRejects(
      () => selector.connect(target(listener.addr), () => new Recorder()),
      ConnectionRefusedError,
    );
    client.transport.writeText("still here");
    await server.untilText("still here");
    const again = selector.listen(
      { ...anyPort, port: (listener.addr as TcpAddr).port },
      () => new Recorder(),
    );
    assertEquals(again.addr, listener.addr, "the address is free again");
  });

  test("connections above connectionsMax are reset, and counted", async (selector) => {
    const { listener, client, server } = await connectPair(selector, {}, {}, { connectionsMax: 1 });
    const second = new Recorder();
    await selector.connect(target(listener.addr), () => second).catch((error) => {
      assertInstanceOf(error, ConnectionResetError); // Whether it was connected for a moment is the system's business.
    });
    if (second.calls.length > 0) assertInstanceOf(await second.untilClosed(), ConnectionResetError);
    assertEquals({ ...listener.stats }, { accepted: 1, refused: 1, open: 1, acceptErrors: 0 });
    client.transport.close();
    await server.untilClosed();
    assertEquals(listener.stats.open, 0);
    const third = new Recorder();
    await selector.connect(target(listener.addr), () => third);
    assertEquals(third.calls, ["opened"]);
  });

  test("a listener can be let go of and held again", async (selector) => {
    const listener = selector.listen(anyPort, () => new Recorder());
    listener.unref();
    listener.ref();
    await selector.connect(target(listener.addr), () => new Recorder());
  });
}

function connectingContract({ test }: Subject): void {
  test("connect resolves with the transport that opened got", async (selector) => {
    const listener = selector.listen(anyPort, () => new Recorder());
    const client = new Recorder();
    const transport = await selector.connect(target(listener.addr), () => client);
    assertStrictEquals(transport, client.transport);
    assertEquals(client.calls, ["opened"]);
  });

  test("where nobody listens, connecting is refused and the protocol hears nothing", async (selector) => {
    const addr = await unusedAddr(selector);
    const client = new Recorder();
    const error = await assertRejects(
      () => selector.connect(target(addr), () => client),
      ConnectionRefusedError,
    );
    assertEquals(error.address, `127.0.0.1:${addr.port}`);
    assertEquals(client.calls, []);
  });

  test("a port that makes no sense is refused", async (selector) => {
    for (const port of [-1, 65_536, 1.5, NaN]) {
      await assertRejects(
        () => selector.connect({ hostname: "127.0.0.1", port }, () => new Recorder()),
        RangeError,
      );
    }
  });

  test("a timeout that makes no sense is refused", async (selector) => {
    for (const timeoutMs of [-1, NaN, Infinity]) {
      await assertRejects(
        () => selector.connect({ hostname: "127.0.0.1", port: 1, timeoutMs }, () => new Recorder()),
        RangeError,
      );
    }
  });

  test("an unknown name cannot be reached", async (selector) => {
    await assertRejects(
      () => selector.connect({ hostname: "no-such-host.invalid", port: 80 }, () => new Recorder()),
      UnreachableError,
    );
  });

  test("a signal gives up connecting, with its reason", async (selector) => {
    const listener = selector.listen(anyPort, () => new Recorder());
    const client = new Recorder();
    const late = new AbortController();
    const connecting = selector.connect({ ...target(listener.addr), signal: late.signal }, () => client);
    late.abort(new Error("late"));
    await assertRejects(() => connecting, Error, "late");
    const early = AbortSignal.abort(new Error("early"));
    await assertRejects(
      () => selector.connect({ ...target(listener.addr), signal: early }, () => client),
      Error,
      "early",
    );
    assertEquals(client.calls, []);
  });

  test("a signal that aborts after connecting changes nothing", async (selector) => {
    const listener = selector.listen(anyPort, () => new Recorder());
    const client = new Recorder();
    const controller = new AbortController();
    await selector.connect(
      { ...target(listener.addr), signal: controller.signal, timeoutMs: null },
      () => client,
    );
    controller.abort();
    assertEquals([client.calls, client.transport.isClosing], [["opened"], false]);
  });

  test("a protocol that cannot be made rejects the connect", async (selector) => {
    const listener = selector.listen(anyPort, () => new Recorder());
    const fail = () => {
      throw new Error("no protocol today");
    };
    await assertRejects(() => selector.connect(target(listener.addr), fail), Error, "no protocol today");
  });

  test("who gives a connect up while its protocol is made gets no connection", async (selector) => {
    const listener = selector.listen(anyPort, () => new Recorder());
    const client = new Recorder();
    const controller = new AbortController();
    const giveUp = () => {
      controller.abort(new Error("on second thoughts"));
      return client;
    };
    const options = { ...target(listener.addr), signal: controller.signal };
    await assertRejects(() => selector.connect(options, giveUp), Error, "on second thoughts");
    await selector.close();
    assertEquals(client.calls, []);
  });

  test("the protocol may abort in opened; connect resolves all the same", async (selector) => {
    const listener = selector.listen(anyPort, () => new Recorder());
    const client = new Recorder({ opened: (transport) => transport.abort() });
    const transport = await selector.connect(target(listener.addr), () => client);
    assertEquals(transport.isClosing, true);
    assertInstanceOf(await client.untilClosed(), ConnectionAbortedError);
  });
}

function lifeContract({ test }: Subject): void {
  test("close aborts what is open, gives up what is connecting, and frees the addresses", async (selector) => {
    const { client, server, listener } = await connectPair(selector);
    server.transport.pauseReading();
    client.transport.write(new Uint8Array(16 << 20));
    const connecting = selector.connect(target(listener.addr), () => new Recorder());
    const failed = assertRejects(() => connecting, SelectorClosedError);
    await selector.close();
    assertInstanceOf(client.reason, SelectorClosedError, "every protocol has heard when close resolves");
    assertInstanceOf(server.reason, SelectorClosedError);
    await failed;
    assertEquals([client.count("closed"), server.count("closed"), listener.stats.open], [1, 1, 0]);
    await selector.close();
  });

  test("close while the protocol of a connection is made closes that connection, too", async (selector) => {
    const [client, server] = [new Recorder(), new Recorder()];
    let closing: Promise<void> | null = null;
    await new Promise<void>((resolve) => {
      const { addr } = selector.listen(anyPort, () => {
        closing = selector.close();
        resolve();
        return server;
      });
      selector.connect(target(addr), () => client).catch((error) =>
        assertInstanceOf(error, SelectorClosedError)
      );
    });
    await closing;
    assertEquals([server.calls.at(0), server.calls.at(-1)], ["opened", "closed"]);
    assertInstanceOf(server.reason, SelectorClosedError);
    if (client.calls.length > 0) assertEquals(client.calls.at(-1), "closed");
  });

  test("a selector that is closed does nothing more", async (selector) => {
    await selector[Symbol.asyncDispose]();
    assertThrows(() => selector.listen(anyPort, () => new Recorder()), SelectorClosedError);
    await assertRejects(
      () => selector.connect({ hostname: "127.0.0.1", port: 1 }, () => new Recorder()),
      SelectorClosedError,
    );
  });

  test("timers fire on the selector's clock, and not after close", async (selector) => {
    const before = selector.clock.now();
    await new Promise<void>((resolve) => selector.timers.after(5, resolve));
    assert(selector.clock.now() - before >= 5, "never early");
    let hasFired = false;
    const pending = selector.timers.after(60_000, () => hasFired = true);
    await selector.close();
    assertEquals([pending.isArmed, hasFired], [false, false]);
  });
}

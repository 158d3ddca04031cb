/** What listeners on sockets of our own do alike, on each selector that has them; the contract suite has the rest. */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionResetError } from "../../../io/errors.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import type { Addr, Selector } from "../../../io/selector.ts";
import {
  type AcceptedConnection,
  type AcceptingHost,
  AcceptingListener,
} from "../../../io/selectors/accepting_listener.ts";
import { openEpoll } from "../../../io/selectors/epoll.ts";
import { openUring } from "../../../io/selectors/uring.ts";
import { target } from "../../contracts/selector/harness.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

const anyPort = { hostname: "127.0.0.1", port: 0 } as const;

/** Why a connection ended that the server resets at once: then connecting may fail already. */
function resetOf(selector: Selector, addr: Addr): Promise<unknown> {
  const client = new Recorder();
  return selector.connect(target(addr), () => client).then(() => client.untilClosed(), (error) => error);
}

for (const open of [openEpoll, openUring]) {
  const { name } = open;

  Deno.test(`a protocol that cannot be made costs its own connection only, by a reset: ${name}`, async () => {
    const failures: unknown[] = [];
    const onError = (event: ErrorEvent) => {
      event.preventDefault();
      failures.push(event.error);
    };
    globalThis.addEventListener("error", onError);
    try {
      await using selector = open();
      let isBroken = true;
      const server = new Recorder();
      const error = new Error("no protocol today");
      const listener = selector.listen(anyPort, () => {
        if (isBroken) throw error;
        return server;
      });
      assertInstanceOf(await resetOf(selector, listener.addr), ConnectionResetError);
      isBroken = false;
      await selector.connect(target(listener.addr), () => new Recorder());
      await server.until(() => server.count("opened") === 1);
      assertEquals(failures, [error]);
      assertEquals(listener.stats, { accepted: 1, refused: 0, open: 1, acceptErrors: 0 });
    } finally {
      globalThis.removeEventListener("error", onError);
    }
  });

  Deno.test(`above connectionsMax a connection is reset, until one has left: ${name}`, async () => {
    await using selector = open();
    const servers: Recorder[] = [];
    const listener = selector.listen({ ...anyPort, connectionsMax: 1 }, () => {
      const server = new Recorder();
      servers.push(server);
      return server;
    });
    const first = new Recorder();
    const transport = await selector.connect(target(listener.addr), () => first);
    assertInstanceOf(await resetOf(selector, listener.addr), ConnectionResetError);
    assertEquals(listener.stats, { accepted: 1, refused: 1, open: 1, acceptErrors: 0 });
    transport.close();
    await servers[0]!.untilClosed();
    assertEquals(listener.stats.open, 0);
    await selector.connect(target(listener.addr), () => new Recorder());
    while (listener.stats.accepted < 2) await new Promise((resolve) => setTimeout(resolve, 0));
  });
}

/** A listener that is told everything. */
class ToldListener extends AcceptingListener {
  calls: string[] = [];
  peers: (Addr | null)[] = [];
  isOpened = true;
  override close = (): Promise<void> => Promise.resolve(this.beginClosing());
  protected override accept = (): void => void this.calls.push("accept");
  protected override peerOf = (): Addr | null => this.peers.shift()!;
  protected override open(connection: AcceptedConnection): boolean {
    this.calls.push(`open ${connection.descriptor}`);
    return this.isOpened;
  }
  takeOne(descriptor: number): void {
    this.take(descriptor);
  }
  pauseNow(): void {
    this.pause();
  }
}

/** A listener, and what its host was asked for. */
function told(): { listener: ToldListener; closed: number[]; asked: string[] } {
  const closed: number[] = [];
  const asked: string[] = [];
  const call = { setsockopt: () => 0, close: (descriptor: number) => closed.push(descriptor) };
  const timer = {
    reset: (ms: number) => asked.push(`again in ${ms}`),
    cancel: () => asked.push("not again"),
  };
  const loop = { hold: () => asked.push("hold"), release: () => asked.push("release") };
  const host = { libc: { call } as unknown as Libc, loop, timers: { idle: () => timer } };
  const addr: Addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };
  const socket = { descriptor: 3, addr, connectionsMax: 10, isInherited: false };
  const listener = new ToldListener(host as unknown as AcceptingHost, socket, () => new Recorder());
  return { listener, closed, asked };
}

Deno.test("who is gone before it is accepted, or cannot be watched, is closed and counts as an error", () => {
  const { listener, closed } = told();
  listener.peers.push(null, listener.addr, listener.addr);
  listener.takeOne(7);
  assertEquals([listener.stats.acceptErrors, closed, listener.calls], [1, [7], []]);
  listener.isOpened = false;
  listener.takeOne(8);
  assertEquals(listener.stats, { accepted: 0, refused: 0, open: 0, acceptErrors: 2 });
  listener.isOpened = true;
  listener.takeOne(9);
  assertEquals(listener.stats, { accepted: 1, refused: 0, open: 1, acceptErrors: 2 });
  assertEquals([closed, listener.calls], [[7, 8], ["open 8", "open 9"]]);
});

Deno.test("a pause ends when a descriptor is free or its time is over, and not after a close", async () => {
  const { listener, asked } = told();
  listener.goOn();
  assertEquals(listener.calls, [], "it was not paused");
  listener.pauseNow();
  listener.goOn();
  listener.goOn();
  assertEquals([listener.calls, asked], [["accept"], ["hold", "again in 100", "not again"]]);
  listener.pauseNow();
  await listener.close();
  listener.goOn();
  assertEquals(listener.calls, ["accept"]);
});

Deno.test("the loop is held once, let go once, and not held again after a close", async () => {
  const { listener, asked } = told();
  listener.ref();
  listener.unref();
  listener.unref();
  listener.ref();
  assertEquals(asked, ["hold", "release", "hold"]);
  listener.unref();
  await listener.close();
  listener.ref();
  assert(!asked.slice(4).includes("hold"));
  listener.takeOne(5);
  assertEquals(listener.stats.refused, 1);
});

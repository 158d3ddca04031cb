import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { MemoryListener } from "../../../io/testing/memory_listener.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

const addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 } as const;

Deno.test("a listener makes a protocol for each connection, up to its bound, and counts", () => {
  const protocol = new Recorder();
  const listener = new MemoryListener(addr, { port: 1, connectionsMax: 2 }, () => protocol, () => {});
  assertStrictEquals(listener.accept(), protocol);
  assertStrictEquals(listener.accept(), protocol);
  assertStrictEquals(listener.accept(), null);
  assertEquals(listener.stats, { accepted: 2, refused: 1, open: 2, acceptErrors: 0 });
  listener.dismiss();
  assertStrictEquals(listener.accept(), protocol);
});

Deno.test("a protocol that cannot be made refuses the connection, and the program hears of it", async () => {
  const error = new Error("no protocol today");
  const reported: unknown[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  const fail = () => {
    throw error;
  };
  addEventListener("error", listen);
  try {
    const listener = new MemoryListener(addr, { port: 1 }, fail, () => {});
    assertEquals([listener.accept(), listener.stats.open], [null, 0]);
    await Promise.resolve(); // It is reported from a microtask.
    assertEquals(reported, [error]);
  } finally {
    removeEventListener("error", listen);
  }
});

Deno.test("closing tells whom it listens for", async () => {
  const closed: MemoryListener[] = [];
  const listener = new MemoryListener(addr, { port: 1 }, () => new Recorder(), (which) => closed.push(which));
  await listener.close();
  assertStrictEquals(closed[0], listener);
});

Deno.test("bounds that make no sense are refused", () => {
  for (const bad of [{ connectionsMax: 0 }, { connectionsMax: 1.5 }, { backlog: 0 }]) {
    assertThrows(
      () => new MemoryListener(addr, { port: 1, ...bad }, () => new Recorder(), () => {}),
      RangeError,
    );
  }
});

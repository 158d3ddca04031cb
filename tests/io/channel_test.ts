import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Channel, ChannelClosedError } from "../../io/channel.ts";
import { DeadlineExceededError } from "../../io/errors.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";

function setUp<T = number>(capacity: number) {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  return { clock, timers, channel: new Channel<T>(timers, capacity) };
}

Deno.test("values come in the order of sending, round and round the ring", async () => {
  const { channel } = setUp(3);
  const received: number[] = [];
  for (let value = 0; value < 20; value += 2) {
    await channel.send(value);
    assert(channel.trySend(value + 1));
    assertEquals(channel.size, 2);
    received.push(await channel.receive(), await channel.receive());
  }
  assertEquals(received, Array.from({ length: 20 }, (_, index) => index));
});

Deno.test("senders wait while it is full and are served in order; a full channel refuses trySend", async () => {
  const { channel } = setUp(1);
  await channel.send(1);
  const sent: number[] = [];
  const senders = [2, 3, 4].map((value) => channel.send(value).then(() => sent.push(value)));
  assert(!channel.trySend(99));
  const received = [await channel.receive()];
  assert(!channel.trySend(99), "the room went to the one that waited");
  assertEquals(channel.size, 1);
  for (let times = 0; times < 3; times++) received.push(await channel.receive());
  await Promise.all(senders);
  assertEquals([sent, received, channel.size], [[2, 3, 4], [1, 2, 3, 4], 0]);
});

Deno.test("receivers wait while it is empty and are served in order", async () => {
  const { channel } = setUp(1);
  const receivers = [channel.receive(), channel.receive(), channel.receive()];
  assert(channel.trySend(1) && channel.trySend(2));
  await channel.send(3);
  assertEquals(await Promise.all(receivers), [1, 2, 3]);
  assertEquals(channel.size, 0);
});

Deno.test("a send or receive that is given up has sent or taken nothing", async () => {
  const { clock, timers, channel } = setUp(1);
  const receive = assertRejects(
    () => channel.receive({ timeoutMs: 8 }),
    DeadlineExceededError,
    "Cannot receive",
  );
  await clock.advance(8);
  await receive;
  await channel.send(1);
  const controller = new AbortController();
  const reason = new Error("changed my mind");
  const send = assertRejects(() => channel.send(2, { signal: controller.signal }));
  const late = assertRejects(() => channel.send(3, { timeoutMs: 8 }), DeadlineExceededError, "Cannot send");
  controller.abort(reason);
  assertStrictEquals(await send, reason);
  await clock.advance(8);
  await late;
  assertStrictEquals(await assertRejects(() => channel.receive({ signal: controller.signal })), reason);
  assertStrictEquals(await assertRejects(() => channel.send(4, { signal: controller.signal })), reason);
  assertEquals(await channel.receive(), 1);
  assertEquals([channel.size, timers.armedCount], [0, 0]);
});

Deno.test("after close() senders fail and receivers get what is left, then fail", async () => {
  const { channel } = setUp(1);
  await channel.send(1);
  const waiting = assertRejects(() => channel.send(2), ChannelClosedError, "Cannot send");
  channel.close();
  channel.close();
  assert(channel.isClosed);
  await waiting;
  assertThrows(() => channel.trySend(3), ChannelClosedError);
  await assertRejects(() => channel.send(3), ChannelClosedError);
  assertEquals(await channel.receive(), 1);
  const error = await assertRejects(() => channel.receive(), ChannelClosedError, "Cannot receive");
  assertEquals(error.code, "SLUICE_CHANNEL_CLOSED");
});

Deno.test("close() wakes receivers that wait, with its cause", async () => {
  const { channel } = setUp(1);
  const waiting = assertRejects(() => channel.receive(), ChannelClosedError);
  const cause = new Error("the source dried up");
  channel.close(cause);
  assertStrictEquals((await waiting).cause, cause);
});

Deno.test("iteration ends when the channel is closed and empty", async () => {
  const { channel } = setUp<string>(2);
  await channel.send("a");
  await channel.send("b");
  const seen: string[] = [];
  const loop = (async () => {
    for await (const value of channel) seen.push(value);
  })();
  await channel.send("c");
  channel.close();
  await loop;
  assertEquals(seen, ["a", "b", "c"]);
});

Deno.test("iteration throws when the channel was closed by a failure", async () => {
  const { channel } = setUp(2);
  await channel.send(1);
  const cause = new Error("failed");
  channel.close(cause);
  const seen: number[] = [];
  const error = await assertRejects(async () => {
    for await (const value of channel) seen.push(value);
  }, ChannelClosedError);
  assertEquals(seen, [1]);
  assertStrictEquals(error.cause, cause);
});

Deno.test("falsy values are values", async () => {
  const { channel } = setUp<unknown>(2);
  const values = [undefined, null, 0, "", false];
  const received = values.map(() => channel.receive());
  for (const value of values) await channel.send(value);
  assertEquals(await Promise.all(received), values);
  await channel.send(undefined);
  assertEquals([channel.size, await channel.receive(), channel.size], [1, undefined, 0]);
});

Deno.test("many senders and receivers lose and repeat nothing", async () => {
  const { channel } = setUp(3);
  const received: number[] = [];
  const receivers = Array.from({ length: 4 }, async () => {
    for await (const value of channel) {
      received.push(value);
      if (value % 3 === 0) await null;
    }
  });
  await Promise.all(Array.from({ length: 5 }, async (_, sender) => {
    for (let index = 0; index < 200; index++) await channel.send(sender * 200 + index);
  }));
  channel.close();
  await Promise.all(receivers);
  assertEquals(received.toSorted((a, b) => a - b), Array.from({ length: 1000 }, (_, index) => index));
});

Deno.test("a capacity that is no whole number above 0 is refused", () => {
  for (const capacity of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => setUp(capacity), RangeError, "capacity");
  }
});

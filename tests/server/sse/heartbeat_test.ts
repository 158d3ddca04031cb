import { assert, assertEquals, assertThrows } from "@std/assert";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import type { SharedBody } from "../../../server/body_writer.ts";
import { type Beating, Heartbeat } from "../../../server/sse/heartbeat.ts";
import { seededRandom } from "./support/random.ts";

class Stream implements Beating {
  heartbeatGroup = -1;
  heartbeatIndex = -1;
  beats = 0;
  text = "";
  onBeat: (() => void) | null = null;
  beat(body: SharedBody): void {
    this.beats++;
    this.text = new TextDecoder().decode(body.plain.bytes);
    this.onBeat?.();
  }
}

function setUp(intervalMs: number) {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  return { clock, timers, heartbeat: new Heartbeat(timers, intervalMs) };
}

Deno.test("every stream gets a comment per interval, and the first one within it", async () => {
  const { clock, heartbeat } = setUp(16_000);
  const streams = Array.from({ length: 100 }, () => new Stream());
  for (const stream of streams) heartbeat.add(stream);
  await clock.advance(16_200); // the interval, and the wheel's resolution for each of its ticks
  for (const { beats, text } of streams) assertEquals([beats, text], [1, ":\n\n"]);
  await clock.advance(10 * 16_200);
  for (const { beats } of streams) assert(beats === 11 || beats === 12, `${beats} beats`);
  for (const stream of streams) heartbeat.remove(stream);
});

Deno.test("streams are not all served at once", async () => {
  const { clock, heartbeat } = setUp(16_000);
  const streams = Array.from({ length: 160 }, () => new Stream());
  for (const stream of streams) heartbeat.add(stream);
  await clock.advance(1_010);
  assertEquals(streams.filter(({ beats }) => beats > 0).length, 10);
});

Deno.test("the timer runs while there is a stream, and not longer", async () => {
  const { clock, timers, heartbeat } = setUp(1_000);
  assertEquals(timers.armedCount, 0);
  const stream = new Stream();
  heartbeat.add(stream);
  assertEquals([timers.armedCount, heartbeat.size], [1, 1]);
  heartbeat.remove(stream);
  heartbeat.remove(stream);
  assertEquals([timers.armedCount, heartbeat.size, clock.pendingCount], [0, 0, 0]);
  heartbeat.add(stream);
  await clock.advance(1_100);
  assertEquals(stream.beats, 1);
});

Deno.test("a stream that leaves at its own heartbeat, or takes others with it, confuses nobody", async () => {
  const random = seededRandom(5);
  const { clock, heartbeat } = setUp(160);
  const streams = Array.from({ length: 200 }, () => new Stream());
  for (const stream of streams) {
    heartbeat.add(stream);
    stream.onBeat = () => {
      if (random.int(3) > 0) return;
      for (let left = random.int(4); left >= 0; left--) {
        heartbeat.remove(left === 0 ? stream : streams[random.int(200)]!);
      }
    };
  }
  for (let round = 0; round < 30; round++) {
    const before = streams.filter(({ heartbeatGroup }) => heartbeatGroup >= 0);
    const beats = before.map((stream) => stream.beats);
    await clock.advance(320);
    for (const [index, stream] of before.entries()) {
      if (stream.heartbeatGroup >= 0) assert(stream.beats > beats[index]!, "a stream was left out");
    }
    assertEquals(heartbeat.size, streams.filter(({ heartbeatGroup }) => heartbeatGroup >= 0).length);
  }
  assertEquals([heartbeat.size, clock.pendingCount], [0, 0]);
});

Deno.test("an interval that is no finite number above 0 is refused", () => {
  for (const intervalMs of [0, -1, NaN, Infinity]) assertThrows(() => setUp(intervalMs), RangeError);
});

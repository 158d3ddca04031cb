import { assert, assertEquals } from "@std/assert";
import { WRITE_LOOK_MS, WRITE_RATE_SPAN_MS, WriteRate } from "../../server/write_rate.ts";

const MEBIBYTE = 1024 * 1024;
const MIN = 240;

/** A reader, as the system shows it. */
interface Reader {
  /** Bytes it takes in all until a time, milliseconds. */
  readonly taken: (ms: number) => number;
  /** Bytes that wait at any time. Default 256 KiB. */
  readonly waiting?: number;
}

/** Looks at a reader for `forMs`; returns when it was found too slow, or -1. */
function watch({ taken, waiting = 256 * 1024 }: Reader, forMs: number, min = MIN): number {
  const rate = new WriteRate(min, 0, taken(0), waiting);
  for (let now = WRITE_LOOK_MS; now <= forMs; now += WRITE_LOOK_MS) {
    if (rate.isTooSlow(now, taken(now), waiting)) return now;
  }
  return -1;
}

/** Takes bytes evenly, and the system shows it in steps: the first when `ahead` bytes less than one are taken. */
const steady = (perSecond: number, step = 1, ahead = 0) => (ms: number): number =>
  Math.floor((perSecond * ms / 1_000 + ahead) / step) * step;

/** Numbers that look random and are always the same. */
function* numbers(): Generator<number> {
  for (let seed = 1;;) {
    seed = (seed * 48_271) % 2_147_483_647;
    yield seed / 2_147_483_647;
  }
}

/** Long enough for several steps of the largest kind. */
const LONG_MS = 6 * 3_600_000;

Deno.test("who takes twice the minimum is never too slow, in whatever steps the system shows it", () => {
  const random = numbers();
  const next = () => random.next().value as number;
  for (const step of [1, 1_460, 2_048, 16_384, 65_483, 256 * 1024, MEBIBYTE, 4 * MEBIBYTE]) {
    for (let round = 0; round < 20; round++) {
      const waiting = Math.ceil(next() * MEBIBYTE);
      const taken = steady(2 * MIN, step, next() * step);
      assertEquals(watch({ taken, waiting }, LONG_MS), -1, `steps of ${step}, ${waiting} wait`);
    }
  }
});

Deno.test("steps that the system takes by several sends, with a look in between, are no slowness", () => {
  const step = MEBIBYTE;
  const stepMs = 1_000 * step / (2 * MIN);
  // What is taken of a step until a look that falls into it: one send of 256 KiB, and the rest at once thereafter.
  for (const part of [1, 100, 256 * 1024]) {
    const taken = (ms: number) => {
      const steps = Math.floor(ms / stepMs);
      const isWithin = ms - steps * stepMs < WRITE_LOOK_MS && steps > 0;
      return steps * step - (isWithin ? step - part : 0);
    };
    assertEquals(watch({ taken, waiting: 4 * MEBIBYTE }, LONG_MS), -1, `${part} bytes first`);
  }
});

Deno.test("who takes just the minimum, in small steps, is not too slow", () => {
  for (const step of [1, 240, 1_200]) assertEquals(watch({ taken: steady(MIN, step) }, LONG_MS), -1);
});

Deno.test("who takes less than three quarters is found soon after the span, if the steps are small", () => {
  for (const perSecond of [1, 10, MIN / 2, 0.74 * MIN]) {
    const foundMs = watch({ taken: steady(perSecond) }, LONG_MS);
    assertEquals(foundMs, WRITE_RATE_SPAN_MS + 2 * WRITE_LOOK_MS, `${perSecond} bytes a second`);
  }
});

Deno.test("who takes a byte just often enough not to stall is found by its first byte after the span, a look later", () => {
  const taken = (ms: number) => Math.floor(ms / 55_000);
  assertEquals(watch({ taken }, LONG_MS), 60_000);
});

Deno.test("a burst does not pay for a later drip", () => {
  const taken = (ms: number) => ms < 60_000 ? ms * 100 : 6_000_000 + (ms - 60_000) / 1_000;
  const foundMs = watch({ taken, waiting: 8 * MEBIBYTE }, LONG_MS);
  assert(foundMs > 60_000 && foundMs <= 60_000 + 2 * (WRITE_RATE_SPAN_MS + 2 * WRITE_LOOK_MS), `${foundMs}`);
});

Deno.test("who had taken all before the next write keeps up, and who took what waited within a moment", () => {
  const rate = () => new WriteRate(MIN, 0, 100, 10);
  assertEquals(rate().keepsUp(60_000, 110, 20, 0), true, "nothing waited");
  assertEquals(rate().keepsUp(249, 110, 20, 5), true, "what waited at first is gone at once");
  assertEquals(rate().keepsUp(249, 109, 20, 5), false, "some of it is left");
  const late = rate();
  assertEquals(late.keepsUp(250, 110, 20, 5), false, "it took its time");
  assertEquals(late.keepsUp(499, 130, 20, 5), true, "what waited then did not");
});

Deno.test("what is written because a pause is over tells nothing about who keeps up", () => {
  const rate = new WriteRate(MIN, 0, 0, 10);
  rate.resumed(8_000, 250);
  assertEquals(rate.keepsUp(8_000, 10, 10, 0), false);
  assertEquals(rate.keepsUp(8_249, 20, 10, 0), false);
  assertEquals(rate.keepsUp(8_250, 20, 10, 0), true);
  rate.resumed(9_000, 249); // Too short for the reader to be waited for.
  assertEquals(rate.keepsUp(9_000, 20, 10, 0), true);
});

Deno.test("who takes nothing has the time for as much as a send buffer may hide, and no more", () => {
  for (const min of [MIN, 10_000, 1_000_000]) {
    const foundMs = watch({ taken: () => 0 }, LONG_MS, min);
    const hiddenMs = 1_000 * 4 * MEBIBYTE / min;
    assert(foundMs > hiddenMs && foundMs <= hiddenMs + WRITE_LOOK_MS, `${foundMs} at ${min}`);
  }
});

Deno.test("what becomes known better in the middle begins another span", () => {
  const rate = new WriteRate(MIN, 0, 2_500_000, MEBIBYTE);
  for (let now = 5_000; now <= 600_000; now += WRITE_LOOK_MS) { // First nothing is known of the reader, then that it is quick enough.
    const readBytes = now < 50_000 ? 2_500_000 + now : 2 * MIN * now / 1_000;
    assertEquals(rate.isTooSlow(now, 2_500_000 + now, MEBIBYTE, readBytes), false);
  }
});

Deno.test("time in which nobody looked is not the reader's", () => {
  const rate = new WriteRate(MIN, 0, 0, MEBIBYTE);
  const steps = [[5_000, 2_400], [10_000, 4_800], [600_000, 7_200], [605_000, 9_600], [610_000, 12_000]];
  for (const [now, taken] of steps) assertEquals(rate.isTooSlow(now!, taken!, MEBIBYTE), false);
  for (let now = 615_000; now <= 1_000_000; now += WRITE_LOOK_MS) {
    assertEquals(rate.isTooSlow(now, 12_000 + 2 * MIN * (now - 610_000) / 1_000, MEBIBYTE), false);
  }
});

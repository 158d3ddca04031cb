import { assert, assertEquals, assertGreaterOrEqual, assertThrows } from "@std/assert";
import { SystemClock } from "../../io/system_clock.ts";

Deno.test("the machine's clock never goes back and knows the wall time", () => {
  const clock = new SystemClock();
  let last = clock.now();
  for (let times = 0; times < 1000; times++) {
    const now = clock.now();
    assertGreaterOrEqual(now, last);
    last = now;
  }
  const before = Date.now();
  const wallMs = clock.wallMs();
  assert(wallMs >= before && wallMs <= Date.now());
});

Deno.test("a wake-up comes, and one that was cleared does not", async () => {
  const clock = new SystemClock();
  let cleared = 0;
  const wake = clock.setWake(0, () => cleared++);
  clock.clearWake(wake);
  await new Promise<void>((resolve) => clock.setWake(0.5, resolve));
  await new Promise<void>((resolve) => clock.setWake(1, resolve));
  assertEquals(cleared, 0);
  clock.clearWake(wake); // once more does no harm
});

Deno.test("a delay that setTimeout would get wrong is refused", () => {
  const clock = new SystemClock();
  for (const delayMs of [-1, NaN, 2 ** 31, Infinity]) {
    assertThrows(() => clock.setWake(delayMs, () => {}), RangeError, "Cannot set a wake-up");
  }
  clock.clearWake(clock.setWake(2 ** 31 - 1, () => {}));
});

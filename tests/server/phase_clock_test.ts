import { assertEquals } from "@std/assert";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { resolveDeadlines, type ServeDeadlines } from "../../server/deadlines.ts";
import { PhaseClock } from "../../server/phase_clock.ts";

/** Beyond what the wheel may be late. */
const LATE_MS = 10;

function open(deadlines: ServeDeadlines) {
  const clock = new VirtualClock();
  const passed: string[] = [];
  const owner = {
    bufferedBytes: 0,
    takenBytes: 0,
    confirmedBytes: 0,
    oldestStartedMs: Infinity,
    deadlinePassed: (name: string) => void passed.push(name),
  };
  const phases = new PhaseClock(resolveDeadlines(deadlines), new TimerWheel(clock), clock, owner);
  return { clock, phases, owner, passed };
}

Deno.test("each phase of the peer's passes under its own name, once", async () => {
  const { clock, phases, passed } = open({ headMs: 100, firstByteMs: 100, keepAliveMs: 100, lingerMs: 100 });
  for (const phase of ["head", "firstByte", "keepAlive", "linger"] as const) {
    phases[phase](clock.now());
    await clock.advance(99);
    assertEquals(passed, []);
    await clock.advance(1 + LATE_MS);
    assertEquals(passed.splice(0), [phase]);
    await clock.advance(1_000);
    assertEquals(passed, []);
  }
});

Deno.test("a new phase takes the place of the one before, and none waits for nothing", async () => {
  const { clock, phases, passed } = open({ headMs: 100, keepAliveMs: 300 });
  phases.head(clock.now());
  phases.keepAlive(clock.now());
  await clock.advance(200);
  assertEquals(passed, []);
  await clock.advance(100 + LATE_MS);
  assertEquals(passed.splice(0), ["keepAlive"]);
  phases.head(clock.now());
  phases.none();
  await clock.advance(1_000);
  assertEquals(passed, []);
});

Deno.test("pieces of a body put its idle deadline off, those of other phases do not", async () => {
  const { clock, phases, passed } = open({ bodyIdleMs: 100, headMs: 100, bodyBytesPerSecondMin: null });
  phases.body(clock.now());
  for (let i = 0; i < 10; i++) {
    await clock.advance(90);
    phases.bodyCame(1, clock.now());
  }
  assertEquals(passed, []);
  await clock.advance(100 + LATE_MS);
  assertEquals(passed.splice(0), ["bodyIdle"]);
  phases.head(clock.now());
  phases.bodyCame(1, clock.now());
  await clock.advance(100 + LATE_MS);
  assertEquals(passed, ["head"]);
});

Deno.test("the minimum rate is judged window by window: a burst does not pay for a later drip", async () => {
  const { clock, phases, passed } = open({ bodyBytesPerSecondMin: 10, bodyIdleMs: null });
  phases.body(clock.now());
  phases.bodyCame(1_000_000, clock.now());
  await clock.advance(5_000 + LATE_MS);
  assertEquals(passed, []);
  phases.bodyCame(49, clock.now()); // One too few for five seconds.
  await clock.advance(5_000 + LATE_MS);
  assertEquals(passed, ["bodyRate"]);
});

Deno.test("a pause that was ours begins the window and the idle time anew", async () => {
  const { clock, phases, passed } = open({ bodyBytesPerSecondMin: 10, bodyIdleMs: 7_000 });
  phases.body(clock.now());
  await clock.advance(4_900);
  phases.none();
  await clock.advance(60_000);
  phases.body(clock.now());
  await clock.advance(4_900);
  phases.bodyCame(50, clock.now());
  await clock.advance(2_200);
  assertEquals(passed, []);
  await clock.advance(3_000);
  assertEquals(passed, ["bodyRate"]);
});

Deno.test("where both would pass, it is told that nothing came at all", async () => {
  const { clock, phases, passed } = open({ bodyBytesPerSecondMin: 10, bodyIdleMs: 5_000 });
  phases.body(clock.now());
  await clock.advance(5_000 + LATE_MS);
  assertEquals(passed, ["bodyIdle"]);
});

Deno.test("handler and total run beside the peer's phase, and end when told, or are looked at", async () => {
  const { clock, phases, owner, passed } = open({ handlerMs: 100, totalMs: 200, keepAliveMs: 300 });
  owner.oldestStartedMs = clock.now();
  phases.total(clock.now());
  phases.handler(clock.now());
  phases.keepAlive(clock.now());
  await clock.advance(300 + LATE_MS);
  assertEquals(passed.splice(0), ["handler", "total", "keepAlive"]);
  phases.total(clock.now());
  phases.handler(clock.now());
  phases.handlerDone();
  owner.oldestStartedMs = Infinity;
  await clock.advance(1_000);
  assertEquals([passed, clock.pendingCount], [[], 0]);
});

Deno.test("the total counts from when the request began, however late it is told", async () => {
  const { clock, phases, owner, passed } = open({ totalMs: 1_000 });
  await clock.advance(900);
  owner.oldestStartedMs = 0;
  phases.total(0);
  await clock.advance(100 + LATE_MS);
  assertEquals(passed, ["total"]);
});

Deno.test("the total is the oldest request's that is not over when the time comes", async () => {
  const { clock, phases, owner, passed } = open({ totalMs: 1_000 });
  phases.total(0);
  owner.oldestStartedMs = 0;
  await clock.advance(700);
  phases.total(700); // A later one does not put the first one off,
  owner.oldestStartedMs = 700; // but then that is over.
  await clock.advance(900);
  assertEquals(passed, []);
  await clock.advance(100 + LATE_MS);
  assertEquals(passed, ["total"]);
});

Deno.test("a write stalls only when bytes wait and none were taken since the deadline was set", async () => {
  const { clock, phases, owner, passed } = open({ writeStallMs: 100 });
  phases.wrote(10);
  await clock.advance(1_000); // Nothing waits.
  owner.bufferedBytes = 10;
  phases.wrote(10);
  for (let i = 0; i < 5; i++) {
    await clock.advance(90);
    owner.takenBytes++;
    phases.wrote(10); // More writes do not put it off; that something was taken does.
  }
  assertEquals(passed, []);
  await clock.advance(250);
  assertEquals(passed, ["writeStall"]);
});

Deno.test("writes alone do not put a stall off", async () => {
  const { clock, phases, owner, passed } = open({ writeStallMs: 100 });
  for (let i = 0; i < 6; i++) {
    owner.bufferedBytes += 10;
    phases.wrote(10);
    await clock.advance(20);
  }
  assertEquals(passed, ["writeStall"]);
});

Deno.test("a minimum rate looks only while bytes wait, and passes under its own name", async () => {
  const { clock, phases, owner, passed } = open({ writeBytesPerSecondMin: 100, writeStallMs: null });
  phases.wrote(10);
  await clock.advance(60_000);
  assertEquals([passed, clock.pendingCount], [[], 0], "nothing waits");
  owner.bufferedBytes = 100_000;
  phases.wrote(10);
  const advance = async (seconds: number, bytes: number) => {
    for (let second = 0; second < seconds && passed.length === 0; second++) {
      await clock.advance(1_000);
      owner.takenBytes += bytes;
    }
  };
  await advance(300, 100);
  assertEquals(passed, []);
  await advance(100, 70);
  assertEquals(passed, ["writeRate"]);
});

Deno.test("what waits at two looks is no span when nothing waited in between", async () => {
  const { clock, phases, owner, passed } = open({ writeBytesPerSecondMin: 1e9, writeStallMs: null });
  for (let look = 0; look < 20; look++) { // A slow stream that happens to have written just before each look.
    owner.bufferedBytes = 10;
    phases.wrote(10);
    await clock.advance(5_000 + LATE_MS);
    owner.takenBytes += 10;
    owner.bufferedBytes = 0;
  }
  assertEquals(passed, []);
});

Deno.test("sends that are never all completed at once are no span when each is within a moment", async () => {
  const { clock, phases, owner, passed } = open({ writeBytesPerSecondMin: 1e9, writeStallMs: null });
  owner.bufferedBytes = 10;
  for (let write = 0; write < 500; write++) { // The one before is on its way when the next is written.
    owner.bufferedBytes += 10;
    phases.wrote(10);
    await clock.advance(100);
    owner.takenBytes += 10;
    owner.bufferedBytes -= 10;
  }
  assertEquals(passed, []);
});

Deno.test("who is behind all the time is judged, though what waited at one look is gone at another", async () => {
  const { clock, phases, owner, passed } = open({ writeBytesPerSecondMin: 10_000, writeStallMs: null });
  owner.bufferedBytes = 40_000;
  for (let second = 0; second < 60 && passed.length === 0; second++) {
    phases.wrote(5_000);
    await clock.advance(1_000);
    owner.takenBytes += 5_000;
  }
  assertEquals(passed, ["writeRate"]);
});

Deno.test("a download whose pieces the system takes by the MiB, emptying the buffer each time, is judged", async () => {
  for (const [stepMs, isCut] of [[10_000, true], [4_000, false]] as const) { // 100 and 250 KB/s
    const { clock, phases, owner, passed } = open({ writeBytesPerSecondMin: 150_000 });
    owner.bufferedBytes = 250_000;
    phases.wrote(250_000);
    for (let elapsedMs = 0; elapsedMs < 120_000 && passed.length === 0; elapsedMs += stepMs) {
      await clock.advance(stepMs);
      phases.resumed(stepMs);
      for (let piece = 0; piece < 4; piece++) {
        owner.takenBytes += 250_000;
        phases.wrote(250_000); // The one before is taken, and this one is the first to wait.
      }
    }
    assertEquals(passed, isCut ? ["writeRate"] : []);
  }
});

Deno.test("what the peer confirms counts where it is told, though our system takes nothing for long", async () => {
  for (const [perLook, isCut] of [[5 * 480, false], [5 * 100, true], [1, true]] as const) {
    const { clock, phases, owner, passed } = open({});
    owner.bufferedBytes = 100_000;
    owner.takenBytes = 2_500_000; // And that is all.
    phases.wrote(100_000);
    for (let look = 0; look < 200 && passed.length === 0; look++) {
      owner.confirmedBytes += perLook;
      await clock.advance(5_000);
    }
    assertEquals(passed, isCut ? ["writeRate"] : []);
  }
});

Deno.test("a peer that confirms nothing more has stalled", async () => {
  const { clock, phases, owner, passed } = open({});
  owner.bufferedBytes = 100_000;
  owner.takenBytes = 2_500_000;
  owner.confirmedBytes = 6_000;
  phases.wrote(100_000);
  await clock.advance(60_000);
  assertEquals(passed, []);
  await clock.advance(5_000 + 20 * LATE_MS);
  assertEquals(passed, ["writeStall"]);
});

Deno.test("a stall is told up to one look after its time, however long that is", async () => {
  const { clock, phases, owner, passed } = open({ writeStallMs: 60_000 });
  owner.bufferedBytes = 100_000;
  phases.wrote(10);
  await clock.advance(42_000);
  owner.takenBytes += 10_000;
  await clock.advance(60_000);
  assertEquals(passed, []);
  await clock.advance(5_000 + 20 * LATE_MS);
  assertEquals(passed, ["writeStall"]);
});

Deno.test("what is switched off never passes and sets no timer", async () => {
  const { clock, phases, owner, passed } = open({
    headMs: null,
    bodyIdleMs: null,
    bodyBytesPerSecondMin: null,
    handlerMs: null,
    writeStallMs: null,
    writeBytesPerSecondMin: null,
    totalMs: null,
  });
  owner.bufferedBytes = 1;
  phases.head(0);
  phases.body(0);
  phases.handler(0);
  phases.total(0);
  phases.wrote(10);
  assertEquals(clock.pendingCount, 0);
  await clock.advance(1e9);
  assertEquals(passed, []);
});

Deno.test("clear ends all that runs", async () => {
  const { clock, phases, owner, passed } = open({});
  owner.bufferedBytes = 1;
  phases.head(0);
  phases.handler(0);
  phases.wrote(10);
  phases.clear();
  assertEquals(clock.pendingCount, 0);
  await clock.advance(1e9);
  assertEquals(passed, []);
});

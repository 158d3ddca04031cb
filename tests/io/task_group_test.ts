import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { withDeadline } from "../../io/deadline.ts";
import { DeadlineExceededError } from "../../io/errors.ts";
import {
  TaskGroup,
  TaskGroupCancelledError,
  TaskGroupClosedError,
  type TaskGroupOptions,
  TaskLeakError,
  TaskLimitError,
} from "../../io/task_group.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";

function setUp(options: TaskGroupOptions = {}) {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  return { clock, timers, group: new TaskGroup({ timers, ...options }) };
}

/** Work that ends only with its signal, by its reason. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

Deno.test("join() waits for all tasks, those that tasks spawn too, and spawn() gives their results", async () => {
  const { group } = setUp();
  const ended: string[] = [];
  const outer = group.spawn(async () => {
    await null;
    group.spawn(async () => {
      await null;
      ended.push("inner");
    });
    ended.push("outer");
    return 7;
  });
  const plain = group.spawn(() => "not a promise");
  assertEquals(group.size, 2);
  await group.join();
  assertEquals([ended, await outer, await plain, group.size], [["outer", "inner"], 7, "not a promise", 0]);
  await group.join(); // again does no harm
});

Deno.test("an empty group is over at once", async () => {
  const { group } = setUp();
  await group.join();
  assertThrows(() => group.spawn(() => {}), TaskGroupClosedError);
});

Deno.test("the first failure cancels the others, and join() throws it alone", async () => {
  const { clock, timers, group } = setUp();
  const failure = new Error("first");
  let reason: unknown;
  const other = group.spawn(async (signal) => {
    try {
      await untilAborted(signal);
    } finally {
      reason = signal.reason;
    }
  });
  const failed = group.spawn(async () => {
    await null;
    throw failure;
  });
  assertStrictEquals(await assertRejects(() => group.join()), failure);
  assertStrictEquals(await assertRejects(() => group.join()), failure, "every join tells it");
  assertStrictEquals(await assertRejects(() => failed), failure);
  assertInstanceOf(reason, TaskGroupCancelledError);
  assertStrictEquals(reason.cause, failure);
  assertStrictEquals(await assertRejects(() => other), reason);
  assertEquals([timers.armedCount, clock.pendingCount], [0, 0]);
});

Deno.test("a task that throws at once fails like one that throws later", async () => {
  const { group } = setUp();
  group.spawn(() => {
    throw new RangeError("at once");
  });
  await assertRejects(() => group.join(), RangeError, "at once");
});

Deno.test("several failures come together in an AggregateError", async () => {
  const { group } = setUp();
  const failures = [new Error("one"), new Error("two")];
  group.spawn(() => Promise.reject(failures[0]));
  group.spawn(async (signal) => {
    await untilAborted(signal).catch(() => {});
    throw failures[1];
  });
  const error = await assertRejects(() => group.join(), AggregateError, "2 tasks failed");
  assertEquals(error.errors, failures);
});

Deno.test("what tasks throw because of the cancellation is no failure, in whatever form", async () => {
  const { group } = setUp();
  group.spawn((signal) => untilAborted(signal));
  group.spawn((signal) =>
    untilAborted(signal).catch((cause) => Promise.reject(new Error("wrapped", { cause })))
  );
  group.spawn((signal) =>
    untilAborted(signal).catch(() => Promise.reject(new DOMException("stopped", "AbortError")))
  );
  group.cancel("enough");
  assertInstanceOf(group.signal.reason, TaskGroupCancelledError);
  assertEquals(group.signal.reason.cause, "enough");
  await group.join();
});

Deno.test("an AbortError that nobody asked for is a failure", async () => {
  const { group } = setUp();
  group.spawn(() => Promise.reject(new DOMException("somebody else's", "AbortError")));
  await assertRejects(() => group.join(), DOMException, "somebody else's");
});

Deno.test("after cancel() nothing can be spawned", async () => {
  const { group } = setUp();
  group.cancel();
  group.cancel();
  const error = assertThrows(() => group.spawn(() => {}), TaskGroupClosedError, "Cannot spawn");
  assertEquals(error.code, "SLUICE_TASK_GROUP_CLOSED");
  await group.join();
});

Deno.test("the outer signal cancels the group, and join() throws its reason", async () => {
  const controller = new AbortController();
  const { group } = setUp({ signal: controller.signal });
  let cleanedUp = false;
  group.spawn((signal) => untilAborted(signal).finally(() => cleanedUp = true));
  const joined = assertRejects(() => group.join());
  const reason = new Error("outer");
  controller.abort(reason);
  assertStrictEquals(await joined, reason);
  assert(cleanedUp);

  const late = setUp({ signal: AbortSignal.abort(reason) }).group;
  assertThrows(() => late.spawn(() => {}), TaskGroupClosedError);
  assertStrictEquals(await assertRejects(() => late.join()), reason);
});

Deno.test("a group that is over has let its outer signal go", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  signal.addEventListener = (_type: string, listener: unknown) => listeners.add(listener);
  signal.removeEventListener = (_type: string, listener: unknown) => listeners.delete(listener);
  const { group } = setUp({ signal });
  assertEquals(listeners.size, 1);
  await group.join();
  assertEquals(listeners.size, 0);
  controller.abort();
  assert(!group.signal.aborted);
});

Deno.test("cancelling an outer group cancels the inner one, and neither takes it for a failure", async () => {
  const { timers, group } = setUp();
  const ended: string[] = [];
  group.spawn(async (signal) => {
    await using inner = new TaskGroup({ signal, timers });
    inner.spawn((innerSignal) => untilAborted(innerSignal).finally(() => ended.push("inner task")));
    try {
      await inner.join();
    } finally {
      ended.push("outer task");
    }
  });
  group.cancel();
  await group.join();
  assertEquals(ended, ["inner task", "outer task"]);
});

Deno.test("a failure in an inner group goes up and cancels the outer one's other tasks", async () => {
  const { timers, group } = setUp();
  const failure = new Error("deep inside");
  let isCancelled = false;
  group.spawn((signal) => untilAborted(signal).finally(() => isCancelled = true));
  group.spawn(async (signal) => {
    await using inner = new TaskGroup({ signal, timers });
    inner.spawn(() => Promise.reject(failure));
    await inner.join();
  });
  assertStrictEquals(await assertRejects(() => group.join()), failure);
  assert(isCancelled);
});

Deno.test("leaving the scope cancels what runs and waits for it", async () => {
  let cleanedUp = false;
  {
    await using group = setUp().group;
    group.spawn((signal) => untilAborted(signal).finally(() => cleanedUp = true));
  }
  assert(cleanedUp);
});

Deno.test("leaving the scope throws a failure that nobody has joined for, and not one that was thrown", async () => {
  const failure = new Error("unseen");
  const leave = async () => {
    await using group = setUp().group;
    group.spawn(() => Promise.reject(failure));
  };
  assertStrictEquals(await assertRejects(leave), failure);
  const joinAndLeave = async () => {
    await using group = setUp().group;
    group.spawn(() => Promise.reject(failure));
    await group.join();
  };
  assertStrictEquals(await assertRejects(joinAndLeave), failure, "the error itself, not a SuppressedError");
});

Deno.test("tasks that do not end within the grace time are reported by name", async () => {
  const { clock, timers, group } = setUp({ graceMs: 100 });
  const forEver = Promise.withResolvers<void>();
  group.spawn(() => forEver.promise, "the deaf one");
  group.spawn(() => forEver.promise);
  const tidy = group.spawn(untilAborted).catch(() => "ended");
  group.cancel();
  const joined = assertRejects(() => group.join(), TaskLeakError, "the deaf one, task 2");
  assertEquals(await tidy, "ended");
  await clock.advance(99);
  assertEquals(group.size, 2);
  await clock.advance(4);
  const error = await joined;
  assertEquals([error.code, error.names], ["SLUICE_TASK_LEAK", ["the deaf one", "task 2"]]);
  assertEquals([group.size, timers.armedCount], [0, 0]);
  forEver.resolve();
});

Deno.test("the report of leaks stays short", async () => {
  const { clock, group } = setUp({ graceMs: 0 });
  const forEver = Promise.withResolvers<void>();
  for (let index = 0; index < 25; index++) group.spawn(() => forEver.promise);
  group.cancel();
  const joined = assertRejects(() => group.join(), TaskLeakError, "task 10, and 15 more");
  await clock.advance(4);
  assertEquals((await joined).names.length, 25);
  forEver.resolve();
});

Deno.test("a join that is given up leaves the group as it is", async () => {
  const { clock, group } = setUp();
  const work = Promise.withResolvers<void>();
  group.spawn(() => work.promise);
  const impatient = assertRejects(() => group.join({ timeoutMs: 10 }), DeadlineExceededError, "Cannot join");
  await clock.advance(12);
  await impatient;
  assertEquals(group.size, 1);
  assert(!group.signal.aborted);
  work.resolve();
  await group.join();
});

Deno.test("the number of tasks is bounded", async () => {
  const { group } = setUp({ tasksMax: 2 });
  const work = Promise.withResolvers<void>();
  const first = group.spawn(() => Promise.resolve());
  group.spawn(() => work.promise);
  const error = assertThrows(() => group.spawn(() => {}), TaskLimitError, "2 are running");
  assertEquals([error.code, error.tasksMax], ["SLUICE_TASK_LIMIT", 2]);
  await first;
  await null;
  group.spawn(() => {}); // there is room again
  work.resolve();
  await group.join();
});

Deno.test("bounds out of range are refused", () => {
  for (const tasksMax of [0, 1.5, -1, NaN]) {
    assertThrows(() => new TaskGroup({ tasksMax }), RangeError, "tasksMax");
  }
  for (const graceMs of [-1, NaN, Infinity]) {
    assertThrows(() => new TaskGroup({ graceMs }), RangeError, "graceMs");
  }
});

Deno.test("on the machine's clock a group leaves no timer behind", async () => {
  await using group = new TaskGroup();
  group.spawn(untilAborted);
  group.cancel();
  await group.join({ timeoutMs: 10_000 });
});

Deno.test("a group bounds work together with a deadline", async () => {
  const { clock, timers, group } = setUp();
  const work = group.spawn((signal) =>
    withDeadline(timers, new Promise<never>(() => {}), { signal, timeoutMs: 20, doing: "Cannot wait" })
  );
  const joined = assertRejects(() => group.join(), DeadlineExceededError);
  await clock.advance(20);
  await joined;
  await assertRejects(() => work, DeadlineExceededError);
});

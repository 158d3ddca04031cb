/** Calls from acceptance to settlement, on hosts in this thread. */

import { assertEquals } from "@std/assert";
import { AlarmClock } from "../../pool/alarm_clock.ts";
import { Lane } from "../../pool/lane.ts";
import { Ledger } from "../../pool/ledger.ts";
import type { PoolOptions } from "../../pool/mod.ts";
import { settle } from "../../pool/settings.ts";
import type { TaskCall } from "../../pool/task.ts";
import { fakeTask } from "../support/fake_task.ts";
import { openHosted } from "../support/fake_worker.ts";
import * as tasks from "../support/pool_tasks.ts";

/** A lane whose workers are hosts in this thread. */
function open(options: PoolOptions = {}) {
  const ledger = new Ledger();
  const startTimer = (ms: number, ring: () => void) => {
    const timer = setTimeout(ring, ms);
    return () => clearTimeout(timer);
  };
  const lane = new Lane({
    isolation: "thread",
    moduleUrl: "",
    settings: settle({ workersMax: 1, idleTimeoutMs: 60_000, ...options }),
    ledger,
    alarms: new AlarmClock(startTimer),
    chores: new AlarmClock(() => () => {}),
    interrupts: false,
    open: openHosted(tasks),
  });
  const submit = (call: Partial<TaskCall>) => {
    const fake = fakeTask({ label: call.name ?? "task", ...call }, performance.now(), ledger);
    lane.submit(fake.task);
    return fake;
  };
  return { lane, ledger, submit };
}

Deno.test("a call is accepted, run and counted", async () => {
  const { lane, ledger, submit } = open();
  const { task, seen } = submit({ name: "increment", input: 1 });
  assertEquals(lane.counts, { queued: 1, parked: 0, inFlight: 0 });
  await lane.close();
  assertEquals(seen, ["succeeded 2"]);
  assertEquals([task.hasSucceeded, ledger.counters.accepted, ledger.counters.succeeded], [true, 1, 1]);
  assertEquals(ledger.record("increment").succeeded, 1);
  assertEquals(lane.counts, { queued: 0, parked: 0, inFlight: 0 });
});

Deno.test("a closed lane refuses", async () => {
  const { lane, submit } = open();
  await lane.close();
  const { seen } = submit({ name: "increment" });
  assertEquals(seen[1], "failed PoolClosedError: Cannot run increment: the pool is closed");
});

Deno.test("one that is cancelled while it waits never runs", async () => {
  const { lane, ledger, submit } = open();
  const abort = new AbortController();
  const { seen } = submit({ name: "increment", signal: abort.signal });
  abort.abort();
  assertEquals(seen, ["failed TaskCancelledError: Cannot finish increment: it was cancelled (before start)"]);
  assertEquals([ledger.stopped["before start"], ledger.counters.failed], [1, 1]);
  await lane.close();
  assertEquals(ledger.counters.tasksSent, 0);
});

Deno.test("destroy fails what waits and what runs", async () => {
  const { lane, submit } = open();
  const all = [submit({ name: "waitForSignal", input: null }), submit({ name: "increment" })];
  await lane.destroy();
  for (const { seen } of all) assertEquals(seen.length, 1);
});

Deno.test("calls of one turn go in one message", async () => {
  const { lane, ledger, submit } = open();
  ledger.record("increment").ran(0.001); // known to be small
  const all = Array.from({ length: 100 }, (_, input) => submit({ name: "increment", input }));
  await lane.close();
  assertEquals([ledger.counters.messages, all.at(-1)?.seen], [1, ["succeeded 100"]]);
});

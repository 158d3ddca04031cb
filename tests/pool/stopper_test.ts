/** The steps by which a call is stopped, on a worker that the test speaks for. */

import { assertEquals } from "@std/assert";
import { AlarmClock } from "../../pool/alarm_clock.ts";
import { Lane } from "../../pool/lane.ts";
import { Ledger } from "../../pool/ledger.ts";
import { CANCEL, DONE, READY, RUN, STARTED, STOPPING, SUCCEEDED } from "../../pool/protocol.ts";
import { settle } from "../../pool/settings.ts";
import { fakeTask } from "../support/fake_task.ts";
import { FakeLink } from "../support/fake_worker.ts";

/** A lane with one worker that says nothing by itself; alarms ring when the test says so. */
async function open(endsWhenStopped: boolean) {
  const links: FakeLink[] = [];
  const timers: (() => void)[] = [];
  const ledger = new Ledger();
  const startTimer = (_ms: number, ring: () => void) => {
    timers.push(ring);
    return () => void timers.splice(timers.indexOf(ring), 1);
  };
  const lane = new Lane({
    isolation: "thread",
    moduleUrl: "",
    settings: settle({ workersMax: 1, workersMin: 1, graceMs: 0, abandonedMax: 0 }),
    ledger,
    alarms: new AlarmClock(startTimer),
    chores: new AlarmClock(() => () => {}),
    interrupts: true,
    open(parts) {
      const link = new FakeLink(parts);
      link.endsWhenStopped = endsWhenStopped;
      links.push(link);
      return link;
    },
  });
  const [link] = links as [FakeLink];
  link.events.message([READY]);
  const abort = new AbortController();
  const running = fakeTask({ label: "running", signal: abort.signal }, performance.now(), ledger);
  lane.submit(running.task);
  await Promise.resolve();
  const control = link.options.config.control!;
  control[running.task.slot] = STARTED;
  return { lane, ledger, link, links, timers, running, abort, control };
}

Deno.test("first it is asked, and an outcome then counts as obedience", async () => {
  const { ledger, link, running, abort, control } = await open(true);
  const { slot } = running.task;
  abort.abort();
  assertEquals([link.sent.map(([kind]) => kind), control[slot]], [[RUN, CANCEL], STOPPING]);
  link.events.message([DONE, slot, SUCCEEDED, "late", 1]);
  assertEquals(running.seen, ["failed TaskCancelledError: Cannot finish running: it was cancelled (obeyed)"]);
  assertEquals(ledger.stopped.obeyed, 1);
});

Deno.test("then its worker is stopped, and another one takes over", async () => {
  const { ledger, link, links, timers, running, abort } = await open(true);
  abort.abort();
  await graceOver();
  for (const ring of timers.splice(0)) ring();
  assertEquals(link.isStopped, true);
  await Promise.resolve();
  assertEquals(running.seen, [
    "failed TaskCancelledError: Cannot finish running: it was cancelled (terminated)",
  ]);
  assertEquals([ledger.stopped.terminated, links.length], [1, 2]);
});

Deno.test("a thread that goes on is abandoned, and the pool refuses until it has ended", async () => {
  const { lane, ledger, link, running, abort } = await open(false);
  abort.abort();
  const stopper = Promise.withResolvers<void>();
  setTimeout(() => stopper.resolve(), 0);
  await stopper.promise;
  link.stop();
  const [worker] = [...lane.crew.workers];
  worker!.state = "abandoned";
  const refused = fakeTask({ label: "refused" }, performance.now(), ledger);
  lane.submit(refused.task);
  assertEquals([lane.crew.abandoned, ledger.refused.saturated, refused.seen[0]], [1, 1, "settled"]);
  link.events.ended(1, undefined);
  assertEquals([lane.crew.abandoned, running.seen.length], [0, 1]);
  assertEquals(ledger.stopped.terminated, 1);
});

/** Lets the grace period, of no length, pass. */
function graceOver(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

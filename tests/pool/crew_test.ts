/** Starting, replacing and ending of workers, without any. */

import { assertEquals } from "@std/assert";
import { AlarmClock } from "../../pool/alarm_clock.ts";
import { Crew } from "../../pool/crew.ts";
import { Ledger } from "../../pool/ledger.ts";
import type { PoolOptions } from "../../pool/mod.ts";
import { LOAD_FAILED, READY, STRAY } from "../../pool/protocol.ts";
import { settle } from "../../pool/settings.ts";
import { FakeLink } from "../support/fake_worker.ts";

/** A crew of fake workers; timers ring when the test says so. */
function open(options: PoolOptions = {}) {
  const links: FakeLink[] = [];
  const heard: string[] = [];
  const timers: { ms: number; ring: () => void }[] = [];
  const startTimer = (ms: number, ring: () => void) => {
    timers.push({ ms, ring });
    return () => {};
  };
  const ledger = new Ledger();
  const crew = new Crew({
    isolation: "thread",
    moduleUrl: "file:///tasks.ts",
    settings: settle({ workersMax: 3, idleTimeoutMs: 0, ...options }),
    ledger,
    alarms: new AlarmClock(startTimer),
    chores: new AlarmClock(startTimer),
    interrupts: false,
    open(parts) {
      const link = new FakeLink(parts);
      links.push(link);
      return link;
    },
    events: {
      ready: ({ id }) => heard.push(`ready ${id}`),
      message: ({ id }, [kind]) => heard.push(`message ${id} ${kind}`),
      gone: ({ id }, code) => heard.push(`gone ${id} ${code}`),
      paused: () => heard.push("paused"),
      failed: (errorFor) => heard.push(String(errorFor("Cannot go on"))),
    },
  });
  return { crew, links, heard, timers, ledger };
}

Deno.test("it grows to what is asked for, workersMax at most", () => {
  const { crew, links, heard } = open();
  crew.grow(2, 0);
  crew.grow(2, 0);
  assertEquals([links.length, crew.active], [2, 2]);
  crew.grow(9, 0);
  assertEquals(links.length, 3);
  links[1]!.events.message([READY]);
  links[1]!.events.message([STRAY, {}]);
  assertEquals(heard, ["ready 2", `message 2 ${STRAY}`]);
  assertEquals(crew.find(2)?.state, "ready");
});

Deno.test("a worker that is lost is replaced at once, the second in a row after a pause", () => {
  const { crew, links, heard, timers, ledger } = open();
  crew.grow(1, 0);
  links[0]!.events.message([READY]);
  links[0]!.events.ended(7, undefined);
  crew.grow(1, 0);
  assertEquals([heard.at(-1), links.length], ["gone 1 7", 2]);
  links[1]!.events.message([READY]);
  links[1]!.events.ended(7, undefined);
  crew.grow(1, 0);
  assertEquals([links.length, timers.length, ledger.counters.crashed], [2, 1, 2]);
  crew.noteHealth();
});

Deno.test("a module that does not load fails the crew after so many attempts", async () => {
  const { crew, links, heard } = open({ startAttemptsMax: 1 });
  crew.grow(1, 0);
  links[0]!.events.message([LOAD_FAILED, { name: "SyntaxError", message: "no", stack: "" }]);
  assertEquals(heard, ["PoolFailedError: Cannot go on: no worker starts: SyntaxError: no"]);
  await Promise.resolve();
  crew.grow(1, 0);
  assertEquals([links.length, heard.at(-1)], [1, "gone 1 1"]);
});

Deno.test("so does a worker that ends while it starts", () => {
  const { crew, links, heard } = open({ startAttemptsMax: 1 });
  crew.grow(1, 0);
  links[0]!.events.ended(3, undefined);
  assertEquals(heard[0], "PoolFailedError: Cannot go on: no worker starts: it exited with code 3");
});

Deno.test("one that retires gets no more and ends when it has finished", () => {
  const { crew, links } = open();
  crew.grow(1, 0);
  links[0]!.events.message([READY]);
  const worker = crew.find(1)!;
  worker.inFlight = 1;
  crew.retire(worker);
  assertEquals([worker.isUsable, links[0]!.isStopped, crew.active], [false, false, 0]);
  worker.inFlight = 0;
  crew.retire(worker);
  assertEquals(links[0]!.isStopped, true);
});

Deno.test("end stops all and starts none", () => {
  const { crew, links } = open();
  crew.grow(2, 0);
  crew.end();
  crew.grow(2, 0);
  assertEquals([links.length, links.every(({ isStopped }) => isStopped), crew.lasting], [2, true, 2]);
});

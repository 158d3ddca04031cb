/** Which worker gets what: shares, batches, and taking back, on workers that the test speaks for. */

import { assertEquals } from "@std/assert";
import { AlarmClock } from "../../pool/alarm_clock.ts";
import { Crew } from "../../pool/crew.ts";
import { Dispatcher } from "../../pool/dispatcher.ts";
import { Ledger } from "../../pool/ledger.ts";
import type { PoolOptions } from "../../pool/mod.ts";
import { READY, RUN, RUN_STRIDE } from "../../pool/protocol.ts";
import { settle } from "../../pool/settings.ts";
import { WaitingRoom } from "../../pool/waiting_room.ts";
import { fakeTask } from "../support/fake_task.ts";
import { FakeLink } from "../support/fake_worker.ts";

/** Two workers that are ready. */
function open(options: PoolOptions = {}) {
  const ledger = new Ledger();
  const settings = settle({ workersMax: 2, ...options });
  const alarms = new AlarmClock(() => () => {});
  const links: FakeLink[] = [];
  const crew = new Crew({
    isolation: "thread",
    moduleUrl: "",
    settings,
    ledger,
    alarms,
    chores: alarms,
    interrupts: false,
    open(parts) {
      links.push(new FakeLink(parts));
      return links.at(-1)!;
    },
    events: { ready() {}, message() {}, gone() {}, paused() {}, failed() {} },
  });
  const room = new WaitingRoom(settings, ledger);
  const dispatcher = new Dispatcher(settings, room, crew, ledger, alarms);
  crew.grow(2, 0);
  for (const link of links) link.events.message([READY]);
  const admit = (count: number, label = "task") => {
    for (let index = 0; index < count; index++) room.admit(fakeTask({ label, input: index }, 0, ledger).task);
  };
  const sizes = () =>
    links.map(({ sent }) =>
      sent.filter(([kind]) => kind === RUN).map((message) => (message.length - 1) / RUN_STRIDE)
    );
  return { ledger, room, crew, dispatcher, admit, sizes };
}

Deno.test("of what is not known, a worker gets as many as it runs at once", () => {
  const { dispatcher, admit, sizes, room } = open({ concurrency: 3 });
  admit(10);
  dispatcher.dispatch(0);
  assertEquals([sizes(), room.size], [[[3], [3]], 4]);
});

Deno.test("what is small goes in batches, evenly", () => {
  const { dispatcher, admit, sizes, ledger, room } = open();
  ledger.record("task").ran(0.001);
  admit(100);
  dispatcher.dispatch(0);
  assertEquals([sizes(), room.size, ledger.counters.messages], [[[50], [50]], 0, 2]);
});

Deno.test("an inbox holds no more than its budget of expected work", () => {
  const { dispatcher, admit, sizes, ledger, room } = open();
  ledger.record("task").ran(0.5);
  admit(100);
  dispatcher.dispatch(0);
  assertEquals([sizes(), room.size], [[[4], [4]], 92]);
  dispatcher.dispatch(0);
  assertEquals(room.size, 92, "and is not filled up by ones");
});

Deno.test("what is long goes one by one", () => {
  const { dispatcher, admit, sizes, ledger } = open();
  ledger.record("task").ran(100);
  admit(10);
  dispatcher.dispatch(0);
  assertEquals(sizes(), [[1], [1]]);
});

Deno.test("what a worker has not begun can be reclaimed", () => {
  const { dispatcher, admit, ledger, room, crew } = open();
  ledger.record("task").ran(0.001);
  admit(100);
  dispatcher.dispatch(0);
  dispatcher.reclaim(crew.find(1)!);
  assertEquals(room.size, 50);
});

Deno.test("an idle worker is given what a silent one has not begun", () => {
  const { dispatcher, admit, sizes, ledger, crew } = open();
  ledger.record("task").ran(0.001);
  crew.find(2)!.state = "starting";
  admit(21);
  dispatcher.dispatch(0);
  assertEquals(sizes(), [[21], []]);
  crew.find(2)!.state = "ready";
  dispatcher.dispatch(1);
  assertEquals(ledger.counters.stolen, 0, "it may still be heard of");
  dispatcher.dispatch(20);
  assertEquals([ledger.counters.stolen, sizes()], [10, [[21], [10]]]);
});

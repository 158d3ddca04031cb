/** Bounds and policies of the queue. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { QueueFullError } from "../../pool/errors.ts";
import { Ledger } from "../../pool/ledger.ts";
import type { QueuePolicy } from "../../pool/mod.ts";
import { settle } from "../../pool/settings.ts";
import { WaitingRoom } from "../../pool/waiting_room.ts";
import { fakeTask } from "../support/fake_task.ts";

function open(queuePolicy: QueuePolicy, queueMax = 2) {
  const ledger = new Ledger();
  const room = new WaitingRoom(settle({ queueMax, queuePolicy }), ledger);
  const admit = (label: string) => {
    const fake = fakeTask({ label });
    room.admit(fake.task);
    return fake;
  };
  return { room, ledger, admit };
}

Deno.test("reject: the one too many is refused and counted", () => {
  const { ledger, admit } = open("reject");
  admit("a");
  admit("b");
  assertThrows(() => admit("c"), QueueFullError, "Cannot run c: 2 tasks are waiting");
  assertEquals(ledger.refused.queueFull, 1);
});

Deno.test("drop-oldest: the oldest makes room", () => {
  const { room, ledger, admit } = open("drop-oldest");
  const { seen } = admit("a");
  admit("b");
  admit("c");
  assertEquals([room.size, ledger.refused.dropped], [2, 1]);
  assertEquals(seen[1], "failed TaskDroppedError: Cannot run a: it was the oldest in a full queue");
});

Deno.test("wait: as many again are parked, enter in order, and can be forgotten", () => {
  const { room, admit } = open("wait");
  const [, , , parked] = ["a", "b", "c", "d"].map(admit);
  assertThrows(() => admit("e"), QueueFullError);
  assertEquals([room.size, room.parked], [2, 2]);
  assertEquals(room.take()?.call.label, "a");
  assertEquals([room.size, room.parked], [2, 1]);
  room.forget(parked!.task);
  assertEquals([room.take()?.call.label, room.take()?.call.label, room.take()], ["b", "c", undefined]);
});

Deno.test("producers go on when a quarter of the queue is free", async () => {
  const { room, admit } = open("reject", 4);
  await room.ready();
  for (const label of ["a", "b", "c", "d"]) admit(label);
  let isReady = false;
  const ready = room.ready().then(() => isReady = true);
  await null;
  assertEquals(isReady, false);
  room.take();
  await ready;
});

Deno.test("expected work is that of what waits", () => {
  const { room, admit } = open("reject");
  const { task } = fakeTask();
  task.expectedMs = 5;
  room.admit(task);
  admit("unknown");
  assertEquals(room.expectedMs, 5);
  const taken = room.take()!;
  assertEquals(room.expectedMs, 0);
  room.putBack(taken);
  assertEquals([room.expectedMs, room.size], [5, 2]);
});

Deno.test("failAll fails what waits, and who waits", async () => {
  const { room, admit } = open("wait");
  const fakes = ["a", "b", "c"].map(admit);
  const ready = assertRejects(() => room.ready(), RangeError, "Cannot wait for room");
  room.failAll((doing) => new RangeError(doing));
  await ready;
  assertEquals(
    fakes.map(({ seen }) => seen[1]),
    [
      "failed RangeError: Cannot run a",
      "failed RangeError: Cannot run b",
      "failed RangeError: Cannot run c",
    ].toSorted(),
  );
  assertEquals([room.size, room.parked], [0, 0]);
});

Deno.test("what is put back when all have been failed is failed, and what is over stays so", () => {
  const { room, admit } = open("reject");
  const [begun, over] = [admit("a"), admit("b")];
  room.take();
  room.take();
  over.task.fail(new Error("elsewhere"));
  room.putBack(over.task);
  assertEquals(room.size, 0);
  room.failAll((doing) => new Error(`${doing}: closed`));
  room.putBack(begun.task);
  assertEquals([room.size, begun.seen.at(-1)], [0, "failed Error: Cannot run a: closed"]);
});

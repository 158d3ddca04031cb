/** Taking a handle's reads; the contract suite has the rest, on every runtime. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  canTakeReads,
  type ReadHandle,
  startReads,
  stopReads,
  takeReads,
} from "../../../io/selectors/native_read.ts";

/** A handle that says what was done to it. */
function handle(stopStatus = 0) {
  const calls: string[] = [];
  const made: ReadHandle = {
    reading: true,
    onread(_buffer, bytesRead) {
      calls.push(`own ${bytesRead}`);
      return "own";
    },
    readStart() {
      calls.push("start");
      return 0;
    },
    readStop() {
      calls.push("stop");
      return stopStatus;
    },
  };
  return { made, calls };
}

for (const passes of [true, false]) {
  const how = passes ? "passed" : "in the shared state";
  Deno.test(`reads are taken, their length being ${how}; ends, failures and memory of the handle's own are the socket's`, () => {
    const { made, calls } = handle();
    const taken: number[] = [];
    let last = NaN;
    takeReads(made, () => last, (bytes) => taken.push(bytes) > 0, (status) => calls.push(`fail ${status}`));
    const read = (bytes: number, memory?: ArrayBuffer) => {
      if (!passes) last = bytes;
      return made.onread(memory, passes ? bytes : undefined);
    };
    assertEquals(canTakeReads(made), true);
    for (const bytes of [5, 65536, 0]) assertStrictEquals(read(bytes), undefined);
    assertStrictEquals(read(-4095), "own");
    assertStrictEquals(read(7, new ArrayBuffer(7)), "own");
    assertEquals(taken, [5, 65536]);
    assertEquals(calls, passes ? ["own -4095", "own 7"] : ["own undefined", "own undefined"]);
  });
}

Deno.test("who has enough stops the handle, once, and is told when that fails", () => {
  const { made, calls } = handle(-9);
  takeReads(made, () => 1, () => false, (status) => calls.push(`fail ${status}`));
  made.onread(undefined, 1);
  assertEquals(made.reading, false);
  made.onread(undefined, 1); // It was stopped from within already.
  assertEquals(calls, ["stop", "fail -9"]);
});

Deno.test("a handle without the property of its own is left alone", () => {
  const { made } = handle();
  for (const other of [null, undefined, 1, {}, Object.create(made), { onread: made.onread }]) {
    assertEquals(canTakeReads(other), false);
  }
});

Deno.test("starting and stopping go to the handle only when they change something", () => {
  const { made, calls } = handle(-9);
  assertEquals([startReads(made), stopReads(made), stopReads(made), made.reading], [0, -9, 0, false]);
  assertEquals([startReads(made), startReads(made), made.reading], [0, 0, true]);
  assertEquals(calls, ["stop", "start"]);
});

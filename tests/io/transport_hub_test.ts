import { assertEquals, assertStrictEquals } from "@std/assert";
import { type HubMember, TransportHub } from "../../io/transport_hub.ts";

/** A hub whose turns a test ends by hand. */
function manualHub() {
  const asked: (() => void)[] = [];
  const hub = new TransportHub((run) => asked.push(run));
  return { hub, asked, endTurn: () => asked.shift()!() };
}

function member(flush: () => void = () => {}, abort: (reason: Error) => void = () => {}): HubMember {
  return { flush, abort };
}

Deno.test("the turn's end is asked for once, however many are to be flushed", () => {
  const { hub, asked, endTurn } = manualHub();
  const flushed: string[] = [];
  hub.markDirty(member(() => flushed.push("a")));
  hub.markDirty(member(() => flushed.push("b")));
  assertEquals([asked.length, flushed], [1, []]);
  endTurn();
  assertEquals(flushed, ["a", "b"]);
});

Deno.test("what is written during a flush belongs to the next turn", () => {
  const { hub, asked, endTurn } = manualHub();
  const flushed: string[] = [];
  const again = member(() => {
    flushed.push("again");
    if (flushed.length < 4) hub.markDirty(again);
  });
  hub.markDirty(again);
  hub.markDirty(member(() => flushed.push("other")));
  endTurn();
  assertEquals([flushed, asked.length], [["again", "other"], 1]);
  endTurn();
  assertEquals([flushed, asked.length], [["again", "other", "again"], 1]);
  endTurn();
  assertEquals([flushed, asked.length], [["again", "other", "again", "again"], 0]);
});

Deno.test("what is flushed in the middle of a turn is not flushed at its end again, nor from within a flush", () => {
  const { hub, asked, endTurn } = manualHub();
  const flushed: string[] = [];
  hub.markDirty(member(() => {
    flushed.push("a");
    hub.markDirty(member(() => flushed.push("within")));
    hub.flush();
  }));
  hub.flush();
  assertEquals([flushed, hub.endedTurns], [["a"], 0]);
  hub.markDirty(member(() => flushed.push("b")));
  assertEquals(asked.length, 1, "the turn's end was asked for already");
  endTurn();
  assertEquals([flushed, hub.endedTurns], [["a", "within", "b"], 1]);
});

Deno.test("members get numbers of their own and are counted while they are in", () => {
  const { hub } = manualHub();
  const [one, other] = [member(), member()];
  assertEquals([hub.join(one), hub.join(other), hub.openCount], [1, 2, 2]);
  hub.leave(one);
  assertEquals([hub.openCount, hub.join(one)], [1, 3]);
});

Deno.test("abortAll aborts everybody and waits until the last one has left", async () => {
  const { hub } = manualHub();
  const reason = new Error("over");
  const reasons: Error[] = [];
  const members = [1, 2].map(() => member(undefined, (why) => reasons.push(why)));
  for (const each of members) hub.join(each);
  let isDone = false;
  const done = hub.abortAll(reason).then(() => isDone = true);
  assertEquals(reasons.length, 2);
  assertStrictEquals(reasons[0], reason);
  hub.leave(members[0]!);
  await Promise.resolve();
  assertEquals(isDone, false);
  hub.leave(members[1]!);
  await done;
  await hub.abortAll(reason);
});

Deno.test("abortAll waits for who joins before its caller has returned, and says why it must be aborted", async () => {
  const { hub } = manualHub();
  const reason = new Error("over");
  assertEquals(hub.abortReason, null);
  let isDone = false;
  const done = hub.abortAll(reason).then(() => isDone = true);
  const late = member();
  hub.join(late);
  assertStrictEquals(hub.abortReason, reason);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  assertEquals(isDone, false);
  hub.leave(late);
  await done;
});

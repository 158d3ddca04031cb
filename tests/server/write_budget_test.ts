import { assert, assertEquals, assertThrows } from "@std/assert";
import { type BudgetEntry, WriteBudget } from "../../server/write_budget.ts";

/** A connection that holds what it is told to. */
class Member {
  bufferedBytes = 0;
  stalledSinceMs = Infinity;
  isShed = false;
  readonly entry: BudgetEntry;

  constructor(budget: WriteBudget) {
    this.entry = budget.join(this);
  }

  write(bytes: number): void {
    this.bufferedBytes += bytes;
    this.entry.wrote(bytes);
  }

  shed(): void {
    this.isShed = true;
    this.bufferedBytes = 0;
    this.entry.leave();
  }
}

const shedOf = (members: readonly Member[]) => members.map(({ isShed }) => isShed);

Deno.test("those whose reader stalled longest are cut first, and no more of them than needed", () => {
  const budget = new WriteBudget(1_000);
  const members = [3, 1, 2, Infinity].map((since) =>
    Object.assign(new Member(budget), { stalledSinceMs: since })
  );
  for (const member of members) member.write(300);
  assertEquals(shedOf(members), [false, true, false, false]);
  assertEquals(budget.count(), 900);
  members[3]!.write(700);
  assertEquals(shedOf(members), [true, true, true, false]);
  assertEquals(budget.count(), 1_000);
});

Deno.test("of those that do not stall, the one that holds most is cut first", () => {
  const budget = new WriteBudget(1_000);
  const members = [new Member(budget), new Member(budget), new Member(budget)];
  members[0]!.write(200);
  members[1]!.write(500);
  members[2]!.write(400);
  assertEquals(shedOf(members), [false, true, false]);
});

Deno.test("one alone that holds more than all may is cut", () => {
  const budget = new WriteBudget(1_000);
  const member = new Member(budget);
  member.write(1_000);
  assertEquals(member.isShed, false, "the bound itself is within");
  member.write(1);
  assertEquals(member.isShed, true);
});

Deno.test("what the readers took does not count, however much was written", () => {
  const budget = new WriteBudget(1_000);
  const members = [new Member(budget), new Member(budget)];
  for (let i = 0; i < 1_000; i++) {
    const member = members[i % 2]!;
    member.write(400);
    member.bufferedBytes = 0;
  }
  assertEquals(shedOf(members), [false, false]);
  assertEquals(budget.count(), 0);
});

Deno.test("the bound is exceeded by a sixty-fourth and a write at most, also when the sum stays close to it", () => {
  const bytesMax = 64_000;
  const budget = new WriteBudget(bytesMax);
  const steady = new Member(budget);
  steady.write(bytesMax - 10);
  const other = new Member(budget);
  other.stalledSinceMs = 0;
  for (let i = 0; i < 2_000 && !other.isShed; i++) {
    other.write(10);
    const sum = steady.bufferedBytes + other.bufferedBytes;
    assert(sum <= bytesMax + bytesMax / 64 + 10, `${sum} bytes wait`);
  }
  assert(other.isShed);
  assertEquals(steady.isShed, false);
});

Deno.test("a member that left is neither counted nor cut", () => {
  const budget = new WriteBudget(1_000);
  const gone = new Member(budget);
  gone.stalledSinceMs = 0;
  gone.write(900);
  gone.entry.leave();
  gone.entry.leave();
  const other = new Member(budget);
  other.write(1_001);
  assertEquals(shedOf([gone, other]), [false, true]);
});

Deno.test("a member that had nothing waiting at a count comes back with its next write", () => {
  const budget = new WriteBudget(1_000);
  const member = new Member(budget);
  member.write(100);
  member.bufferedBytes = 0;
  assertEquals(budget.count(), 0);
  member.write(300);
  assertEquals(budget.count(), 300);
});

Deno.test("without a bound nobody is cut, and a bound of nothing is refused", () => {
  const member = new Member(new WriteBudget(Infinity));
  for (let i = 0; i < 10; i++) member.write(Number.MAX_SAFE_INTEGER);
  assertEquals(member.isShed, false);
  for (const wrong of [0, -1, NaN]) assertThrows(() => new WriteBudget(wrong), RangeError, "Cannot bound");
});

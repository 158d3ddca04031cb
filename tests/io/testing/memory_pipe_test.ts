import { assertEquals } from "@std/assert";
import { FaultPlan, type PipeFaults } from "../../../io/testing/fault_plan.ts";
import { MemoryPipe } from "../../../io/testing/memory_pipe.ts";
import { Prng } from "../../../io/testing/prng.ts";

const whole = FaultPlan.none().forPipe(0, "fromClient");

function read(pipe: MemoryPipe, bytesMax = 100): number[] {
  const target = new Uint8Array(bytesMax);
  return [...target.subarray(0, pipe.read(target))];
}

Deno.test("a pipe takes what fits and gives it back in order, round its end", () => {
  const pipe = new MemoryPipe(4, whole);
  assertEquals([pipe.write(new Uint8Array([1, 2, 3])), pipe.freeBytes], [3, 1]);
  assertEquals(read(pipe, 2), [1, 2]);
  assertEquals([pipe.write(new Uint8Array([4, 5, 6, 7])), pipe.freeBytes, pipe.availableBytes], [3, 0, 4]);
  assertEquals(pipe.write(new Uint8Array([8])), 0);
  assertEquals(read(pipe), [3, 4, 5, 6]);
  assertEquals(read(pipe), []);
});

Deno.test("the end comes after what was written before it", () => {
  const pipe = new MemoryPipe(4, whole);
  pipe.write(new Uint8Array([1]));
  pipe.end();
  assertEquals(pipe.isAtEnd, false);
  read(pipe);
  assertEquals(pipe.isAtEnd, true);
});

Deno.test("clearing drops what was not read", () => {
  const pipe = new MemoryPipe(4, whole);
  pipe.write(new Uint8Array([1, 2]));
  pipe.clear();
  assertEquals([read(pipe), pipe.freeBytes], [[], 4]);
});

Deno.test("a reset is due when its bytes are through, and not one byte more goes", () => {
  const faults: PipeFaults = { ...whole, resetAfterBytes: 3 };
  const pipe = new MemoryPipe(10, faults);
  assertEquals([pipe.write(new Uint8Array(2)), pipe.isResetDue], [2, false]);
  assertEquals([pipe.write(new Uint8Array(5)), pipe.isResetDue], [1, true]);
  assertEquals([
    new MemoryPipe(1, whole).isResetDue,
    new MemoryPipe(1, { ...whole, resetAfterBytes: 0 }).isResetDue,
  ], [
    false,
    true,
  ]);
});

Deno.test("the plan splits reads and writes, and no byte is lost or turned by it", () => {
  for (let seed = 0; seed < 100; seed++) {
    const pipe = new MemoryPipe(50, FaultPlan.fromSeed(seed).forPipe(0, "fromClient"));
    const prng = new Prng(seed);
    const sent: number[] = [];
    const got: number[] = [];
    while (sent.length < 500) {
      const bytes = Uint8Array.from({ length: prng.integer(1, 30) }, () => prng.integer(0, 255));
      sent.push(...bytes.subarray(0, pipe.write(bytes)));
      if (prng.chance(0.5)) got.push(...read(pipe, prng.integer(1, 60)));
    }
    while (pipe.availableBytes > 0) got.push(...read(pipe));
    assertEquals(got, sent, `seed ${seed}`);
  }
});

import { assertEquals, assertStrictEquals } from "@std/assert";
import { ECANCELED } from "../../../io/ffi/errno.ts";
import { OP, SQE } from "../../../io/ffi/uring_layout.ts";
import {
  cancelAll,
  cancelOne,
  dispatchBacklog,
  KIND,
  SlotTable,
  type UringOwner,
} from "../../../io/selectors/uring_host.ts";
import type { Ring } from "../../../io/selectors/uring_ring.ts";
import { withRing } from "./uring_support.ts";

/** Notes what completes. */
class Notes implements UringOwner {
  readonly heard: [number, number][] = [];

  complete(kind: number, result: number): void {
    this.heard.push([kind, result]);
  }
}

function preparePoll(ring: Ring, descriptor: number, slot: number, kind: number): void {
  const at = ring.prepare(OP.pollAdd, descriptor, slot, kind);
  ring.words[at + SQE.operationFlags] = 1; // POLLIN, which does not come.
}

Deno.test("a slot is its owner's until it is given back, and then somebody else's", () => {
  const slots = new SlotTable();
  const owners = [new Notes(), new Notes(), new Notes()];
  assertEquals(owners.map((owner) => slots.take(owner)), [0, 1, 2]);
  assertStrictEquals(slots.ownerOf(1), owners[1]);
  slots.give(1);
  assertEquals([slots.ownerOf(1), slots.ownerOf(7), slots.size], [null, null, 2]);
  assertEquals([slots.take(owners[0]!), slots.size], [1, 3]);
});

Deno.test("completions reach their owners; those of nobody are dropped", () => {
  withRing({ entries: 8 }, (ring) => {
    const slots = new SlotTable();
    const owners = [new Notes(), new Notes()];
    for (const owner of owners) slots.take(owner);
    for (const slot of [0, 1, 2, 0]) ring.prepare(OP.nop, -1, slot, KIND.send);
    ring.submit();
    ring.take(10);
    assertEquals(dispatchBacklog(ring, slots), 4);
    assertEquals(owners.map(({ heard }) => heard), [[[KIND.send, 0], [KIND.send, 0]], [[KIND.send, 0]]]);
    assertEquals([ring.backlogStart, ring.backlogEnd], [0, 0]);
  });
});

Deno.test("one entry is cancelled by what it is told by, or all of a descriptor", () => {
  withRing({ entries: 8 }, (ring, libc) => {
    const slots = new SlotTable();
    const [one, other] = [new Notes(), new Notes()];
    slots.take(one);
    slots.take(other);
    const pair = new Int32Array(2);
    assertEquals(libc.call.socketpair(1, 1, 0, pair), 0);
    const settle = () => {
      ring.submit();
      while (ring.take(100)) dispatchBacklog(ring, slots);
    };
    preparePoll(ring, pair[0]!, 0, KIND.receive);
    preparePoll(ring, pair[0]!, 0, KIND.poll);
    preparePoll(ring, pair[1]!, 1, KIND.receive);
    settle();
    cancelOne(ring, 0, KIND.receive);
    settle();
    assertEquals(one.heard.sort(), [[KIND.cancel, 0], [KIND.receive, -ECANCELED]].sort());
    one.heard.length = 0;
    preparePoll(ring, pair[0]!, 0, KIND.receive);
    cancelAll(ring, pair[0]!, 0);
    settle();
    const cancelled = one.heard.filter(([kind]) => kind !== KIND.cancel);
    assertEquals(cancelled.sort(), [[KIND.poll, -ECANCELED], [KIND.receive, -ECANCELED]].sort());
    assertEquals(other.heard, [], "another descriptor's goes on");
    cancelAll(ring, pair[1]!, 1);
    settle();
    for (const fd of pair) libc.call.close(fd);
  });
});

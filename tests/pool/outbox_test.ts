/** Outcomes in messages: when they are sent, and what happens to those that cannot be. */

import { assertEquals, assertMatch } from "@std/assert";
import { Outbox } from "../../pool/outbox.ts";
import { DONE, ITEMS, type Message, SUCCEEDED, UNCLONEABLE } from "../../pool/protocol.ts";

/** An outbox whose messages are cloned as a port would. */
function open(): { outbox: Outbox; sent: Message[] } {
  const sent: Message[] = [];
  const outbox = new Outbox(
    (message, transfer) => void sent.push(structuredClone(message, { transfer })),
    true,
  );
  return { outbox, sent };
}

Deno.test("outcomes are sent together, at the latest after a millisecond or 256 of them", () => {
  const { outbox, sent } = open();
  assertEquals(outbox.isDue(0), false);
  outbox.add(3, SUCCEEDED, "a", 0.5, 100);
  outbox.add(4, SUCCEEDED, "b", 0.5, 100.5);
  assertEquals([outbox.isDue(100.9), outbox.isDue(101)], [false, true]);
  outbox.flush();
  outbox.flush();
  assertEquals(sent, [[DONE, 3, SUCCEEDED, "a", 0.5, 4, SUCCEEDED, "b", 0.5]]);
  for (let slot = 0; slot < 256; slot++) outbox.add(slot, SUCCEEDED, slot, 0, 200);
  assertEquals(outbox.isDue(200), true);
});

Deno.test("what cannot be cloned spoils its own outcome only", () => {
  const { outbox, sent } = open();
  outbox.add(1, SUCCEEDED, "good", 0, 0);
  outbox.add(2, SUCCEEDED, () => 1, 0, 0);
  outbox.add(3, SUCCEEDED, { deep: Symbol("x") }, 0, 0);
  outbox.add(4, SUCCEEDED, "good too", 0, 0);
  outbox.flush();
  assertEquals(sent.map(([, slot, outcome]) => [slot, outcome]), [
    [1, SUCCEEDED],
    [2, UNCLONEABLE],
    [3, UNCLONEABLE],
    [4, SUCCEEDED],
  ]);
});

Deno.test("large buffers are given away, items as well", () => {
  const { outbox, sent } = open();
  const bytes = new Uint8Array(100_000);
  assertEquals(outbox.sendItems(7, [1, bytes]), null);
  assertEquals([sent[0], sent[1]?.slice(0, 2), bytes.length], [[ITEMS, 7, 1], [ITEMS, 7], 0]);
  assertEquals((sent[1]?.[2] as Uint8Array).length, 100_000);
});

Deno.test("items before one that cannot be cloned are sent, and none after it", () => {
  const { outbox, sent } = open();
  assertMatch(outbox.sendItems(7, [1, 2, () => 3, 4]) ?? "", /DataCloneError/);
  assertEquals(sent, [[ITEMS, 7, 1], [ITEMS, 7, 2]]);
  assertMatch(outbox.sendItems(7, [() => 1]) ?? "", /DataCloneError/);
});

Deno.test("what gives a buffer away is not spoilt by what cannot be cloned", () => {
  const { outbox, sent } = open();
  outbox.add(1, SUCCEEDED, "small", 0, 0);
  outbox.add(2, SUCCEEDED, new Uint8Array(100_000), 0, 0);
  outbox.add(3, SUCCEEDED, () => 1, 0, 0);
  outbox.flush();
  assertEquals(sent.map(([, slot, outcome]) => [slot, outcome]), [
    [1, SUCCEEDED],
    [2, SUCCEEDED],
    [3, UNCLONEABLE],
  ]);
});

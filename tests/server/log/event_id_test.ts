import { assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import {
  checkEventKey,
  epochGap,
  formatEventId,
  newEpoch,
  parseEventId,
} from "../../../server/log/event_id.ts";

Deno.test("an id that was written is read again", () => {
  for (const node of ["", "web-1", "A_b-9", "x".repeat(32)]) {
    const epoch = newEpoch(node);
    for (const offset of [0, 1, 42, Number.MAX_SAFE_INTEGER]) {
      assertEquals(parseEventId(formatEventId(epoch, offset)), { epoch, node, offset });
    }
  }
});

Deno.test("no two epochs are the same, and they are short", () => {
  assertMatch(newEpoch(), /^[a-z0-9]{8}$/);
  assertEquals(new Set(Array.from({ length: 1_000 }, () => newEpoch())).size, 1_000);
  assertNotEquals(newEpoch("n"), newEpoch("n"));
});

Deno.test("text that no log wrote is no id", () => {
  const epoch = "0c8kq2mz";
  const texts = [
    "",
    "1",
    ".",
    `${epoch}.`,
    `.${epoch}`,
    `${epoch}.01`,
    `${epoch}.-1`,
    `${epoch}.1.1`,
    `${epoch}.1e3`,
  ];
  texts.push(
    ` ${epoch}.1`,
    `${epoch}.1\n`,
    `${epoch}.9007199254740993`,
    `~${epoch}.1`,
    `a~b~${epoch}.1`,
    "UPPER123.1",
  );
  for (const text of texts) assertEquals(parseEventId(text), null, JSON.stringify(text));
});

Deno.test("a node's name is 1 to 32 plain characters", () => {
  for (const node of ["a.b", "a~b", "a b", "ü", "x".repeat(33)]) {
    assertThrows(() => newEpoch(node), TypeError);
  }
});

Deno.test("another run of the same node is a restart, anything else another node", () => {
  const gap = (id: string, epoch: string) => epochGap(parseEventId(`${id}.1`)!, epoch);
  assertEquals(gap("a~00000001", "a~00000001"), null);
  assertEquals(gap("a~00000001", "a~00000002"), "restart");
  assertEquals(gap("b~00000001", "a~00000001"), "wrong_node");
  assertEquals(gap("00000001", "00000002"), "restart");
  assertEquals(gap("00000001", "a~00000002"), "wrong_node");
  assertEquals(gap("a~00000001", "00000002"), "wrong_node");
});

Deno.test("a publisher's own id is printable ASCII without the form of an id", () => {
  for (const key of ["1", "order-7", "a.b.c", "~!{}", "x".repeat(128)]) checkEventKey(key);
  for (const key of ["", " ", "a b", "ü", "a\r", "\0", "x".repeat(129), "00000001.1", "a~00000001.1"]) {
    assertThrows(() => checkEventKey(key), TypeError);
  }
});

import { assertEquals } from "@std/assert";
import { UnsentResponses } from "../../server/unsent_responses.ts";

function three(): UnsentResponses {
  const unsent = new UnsentResponses();
  unsent.add(100, 1, null);
  unsent.add(200, 2, "ended");
  unsent.add(300, 3, "finished");
  return unsent;
}

Deno.test("a response is out of it when all up to its end is taken", () => {
  const unsent = three();
  unsent.taken(99);
  assertEquals(unsent.oldestStartedMs, 1);
  unsent.taken(100);
  assertEquals(unsent.oldestStartedMs, 2);
  unsent.taken(299);
  assertEquals(unsent.oldestStartedMs, 3);
  unsent.taken(300);
  assertEquals(unsent.oldestStartedMs, Infinity);
  unsent.taken(1_000);
  assertEquals(unsent.takeCounts(), []);
});

Deno.test("those that are left are taken out once, with what each was counted as", () => {
  const unsent = three();
  assertEquals([unsent.takeCounts(), unsent.takeCounts()], [[null, "ended", "finished"], []]);
});

Deno.test("a stream that ended is among them until it is taken", () => {
  const unsent = three();
  assertEquals(unsent.hasEndedStream, true);
  unsent.taken(200);
  assertEquals(unsent.hasEndedStream, false);
});

import { assertEquals, assertInstanceOf, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../io/errors.ts";
import { openSelector, type SelectorKind } from "../../io/open_selector.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";

/** Opens with the variable set; puts it back afterwards. */
function openWith(value: string) {
  Deno.env.set("SLUICE_SELECTOR", value);
  try {
    return openSelector();
  } finally {
    Deno.env.delete("SLUICE_SELECTOR");
  }
}

Deno.test("the best selector is opened, and says why", async () => {
  await using selector = openSelector();
  assertEquals(selector.kind, "native");
  assertEquals(selector.selection, { kind: "native", reason: "it is the best one here" });
});

Deno.test("the variable overrides the choice, and an empty one does not", async () => {
  await using asked = openWith("native");
  assertEquals(asked.selection.reason, "it was asked for by SLUICE_SELECTOR");
  await using best = openWith("");
  assertEquals(best.selection.reason, "it is the best one here");
});

Deno.test("the option overrides the variable", async () => {
  Deno.env.set("SLUICE_SELECTOR", "nonsense");
  try {
    await using selector = openSelector({ kind: "native" });
    assertEquals(selector.selection.reason, "it was asked for by the option kind");
  } finally {
    Deno.env.delete("SLUICE_SELECTOR");
  }
});

Deno.test("an unknown kind is refused with the ones there are", () => {
  const refusals = [
    assertThrows(() => openWith("kqueue")),
    assertThrows(() => openSelector({ kind: "constructor" as SelectorKind })),
  ];
  for (const refusal of refusals) {
    assertInstanceOf(refusal, UnsupportedError);
    assertMatch(refusal.message, /^Cannot open the selector ".+": it is unknown; accepted are .*"native"/);
  }
});

Deno.test("the selector goes by the clock it is given", async () => {
  const clock = new VirtualClock();
  await using selector = openSelector({ clock });
  assertStrictEquals(selector.clock, clock);
  let hasFired = false;
  selector.timers.after(1_000, () => hasFired = true);
  await clock.advance(2_000);
  assertEquals(hasFired, true);
});

import {
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { UnsupportedError } from "../../io/errors.ts";
import { openSelector, type SelectorKind } from "../../io/open_selector.ts";
import { detectRuntime } from "../../io/runtime.ts";
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

Deno.test("the best selector is opened, and says why that one", async () => {
  await using selector = openWith("");
  assertEquals(selector.kind, selector.selection.kind);
  assertMatch(selector.selection.reason, /^it is the best one here(; not \w+: [^\n]+)*$/);
  if (detectRuntime().name === "node") {
    assertEquals(selector.kind, "native");
    assertMatch(
      selector.selection.reason,
      /; not uring: Node has no FFI without a flag \(Deno and Bun have\); not epoll: Node has no FFI [^;\n]+$/,
    );
  } else {
    assertNotEquals(selector.kind, "native"); // FFI is permitted here.
  }
});

Deno.test("every kind opens when it is asked for, or is refused with the reason", async () => {
  for (const kind of ["native", "epoll", "uring"] as const) {
    try {
      await using selector = openSelector({ kind });
      assertEquals([selector.kind, selector.selection], [kind, {
        kind,
        reason: "it was asked for by the option kind",
      }]);
    } catch (error) {
      assertInstanceOf(error, UnsupportedError);
      assertEquals(detectRuntime().name, "node");
      assertMatch(error.message, new RegExp(`^Cannot open the selector "${kind}": Node has no FFI`));
    }
  }
});

Deno.test("the variable overrides the choice, and an empty one does not", async () => {
  await using asked = openWith("native");
  assertEquals(asked.selection.reason, "it was asked for by SLUICE_SELECTOR");
  await using best = openWith("");
  assertMatch(best.selection.reason, /^it is the best one here/);
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

if (detectRuntime().name === "deno") {
  Deno.test("Deno: without permission for FFI the native one opens, says in one line why, and asks nobody", async () => {
    const module = new URL("../../io/open_selector.ts", import.meta.url).href;
    const text = `import { openSelector } from ${JSON.stringify(module)};
      const selector = openSelector(); console.log(selector.kind, selector.selection.reason); await selector.close();`;
    const url = `data:application/typescript,${encodeURIComponent(text)}`;
    const { stdout, code } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "--allow-import", "--allow-read", url],
      env: { SLUICE_SELECTOR: "" },
      stdin: "null",
    }).output();
    assertEquals(code, 0);
    assertMatch(
      new TextDecoder().decode(stdout),
      /^native it is the best one here(; not \w+: [^\n]+)*; not epoll: FFI is not permitted \(run with --allow-ffi=\/[^\n]+\n$/,
    );
  });
}

import { assertEquals, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../io/errors.ts";
import { type Candidate, chooseFirst } from "../../io/selector_choice.ts";

/** A candidate that opens, or is refused with a reason. */
function candidate(kind: string, refusal: string | null, opened: string[] = []): Candidate<string, string> {
  return {
    kind,
    open: () => {
      opened.push(kind);
      return refusal === null ? { found: kind, refusal } : { found: null, refusal };
    },
  };
}

Deno.test("the first that opens is taken, and no other is opened", () => {
  const opened: string[] = [];
  const choice = chooseFirst([candidate("a", null, opened), candidate("b", null, opened)]);
  assertEquals(choice, { kind: "a", found: "a", reason: "it is the best one here" });
  assertEquals(opened, ["a"]);
});

Deno.test("why it is not a better one is said in one line", () => {
  const { kind, reason } = chooseFirst([
    candidate("ring", "io_uring_setup fails with error 1"),
    candidate("set", "FFI is not permitted"),
    candidate("plain", null),
  ]);
  assertEquals(kind, "plain");
  assertEquals(
    reason,
    "it is the best one here; not ring: io_uring_setup fails with error 1; not set: FFI is not permitted",
  );
});

Deno.test("when none opens, all the reasons are told", () => {
  assertThrows(
    () => chooseFirst([candidate("a", "no"), candidate("b", "never")]),
    UnsupportedError,
    "Cannot open a selector: a: no; b: never",
  );
});

/** What is told of what was thrown. */

import { assertEquals, assertMatch } from "@std/assert";
import { describeError } from "../../pool/remote_error.ts";

Deno.test("an error is told with name, message, stack, code and causes", () => {
  const cause = new TypeError("inner");
  const error = Object.assign(new RangeError("outer", { cause }), { code: "E_OUTER" });
  const told = describeError(error);
  assertEquals([told.name, told.message, told.code, told.cause?.message], [
    "RangeError",
    "outer",
    "E_OUTER",
    "inner",
  ]);
  assertMatch(told.stack, /remote_error_test/);
  structuredClone(told);
});

Deno.test("what is no error is told as well", () => {
  assertEquals(describeError("text").message, "text");
  assertEquals(describeError(undefined).name, "undefined");
  assertEquals(describeError(null).name, "null");
  assertEquals(describeError(Symbol("s")).message, "Symbol(s)");
  assertEquals(describeError({ message: 5 }).message, "[object Object]");
});

Deno.test("getters that throw, and causes in a ring, are survived", () => {
  const bad = {
    get name(): string {
      throw new RangeError("no name");
    },
    get message(): string {
      throw new RangeError("no message");
    },
    get code(): string {
      throw new RangeError("no code");
    },
    stack: "x".repeat(100_000),
  };
  const told = describeError(bad);
  assertEquals([told.name, told.message, told.stack.length], [
    "(it cannot be read)",
    "(it cannot be read)",
    16_384,
  ]);
  const ring: { cause?: unknown } = {};
  ring.cause = ring;
  assertEquals(describeError(ring).cause?.cause?.cause?.cause?.cause, undefined);
});

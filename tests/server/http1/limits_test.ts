import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  assertLimits,
  MESSAGE_LIMITS_DEFAULT,
  RESPONSE_LIMITS_DEFAULT,
} from "../../../server/http1/limits.ts";

Deno.test("the defaults can be kept and not be changed", () => {
  for (const limits of [MESSAGE_LIMITS_DEFAULT, RESPONSE_LIMITS_DEFAULT]) {
    assertLimits(limits);
    assert(Object.isFrozen(limits));
  }
});

Deno.test("the request line may be as long as RFC 9112 §3 recommends", () => {
  assert(MESSAGE_LIMITS_DEFAULT.startLineBytesMax >= 8000);
});

Deno.test("a limit is a whole number of at least 0; only the body has none at will", () => {
  for (const name of Object.keys(MESSAGE_LIMITS_DEFAULT)) {
    for (const bad of [-1, 0.5, NaN, -Infinity, ...(name === "bodyBytesMax" ? [] : [Infinity])]) {
      const error = assertThrows(() => assertLimits({ ...MESSAGE_LIMITS_DEFAULT, [name]: bad }), RangeError);
      assert(error.message.includes(name));
    }
    assertEquals(assertLimits({ ...MESSAGE_LIMITS_DEFAULT, [name]: 0 }), undefined);
  }
});

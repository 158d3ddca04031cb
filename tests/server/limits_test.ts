import { assertEquals, assertThrows } from "@std/assert";
import { resolveLimits, SERVE_LIMITS_DEFAULT, type ServeLimits } from "../../server/limits.ts";

const set = (name: string, value: unknown) => resolveLimits({ [name]: value } as ServeLimits);
const NAMES = Object.keys(SERVE_LIMITS_DEFAULT);

/** With 0 of these no request could be answered. */
const AT_LEAST_ONE = [
  "connectionsMax",
  "pipelinedRequestsMax",
  "requestLineBytesMax",
  "headersMax",
  "headerBytesMax",
  "bufferedBytesTotalMax",
];

Deno.test("what is not set, or set to undefined, is the default", () => {
  assertEquals(resolveLimits(), SERVE_LIMITS_DEFAULT);
  for (const name of NAMES) assertEquals(set(name, undefined), SERVE_LIMITS_DEFAULT);
});

Deno.test("setting one limit changes that one alone, and not the defaults", () => {
  const before = { ...SERVE_LIMITS_DEFAULT };
  for (const name of NAMES) assertEquals(set(name, 7), { ...before, [name]: 7 });
  assertEquals(SERVE_LIMITS_DEFAULT, before);
  assertEquals(Object.isFrozen(SERVE_LIMITS_DEFAULT), true);
});

Deno.test("a limit is a whole number of at least 0, or 1 where 0 would serve nobody", () => {
  for (const name of NAMES) {
    for (const value of [-1, 1.5, NaN, -Infinity, 2 ** 53, "8", true, {}, 8n]) {
      assertThrows(() => set(name, value), RangeError, name);
    }
    if (AT_LEAST_ONE.includes(name)) assertThrows(() => set(name, 0), RangeError, "from 1 on");
    else assertEquals((set(name, 0) as Record<string, number>)[name], 0);
  }
});

Deno.test("a misspelt limit is an error, also one that every object has", () => {
  for (const name of ["connectionMax", "toString", "constructor", "__proto__ "]) {
    assertThrows(() => set(name, 1), TypeError, "none of that name");
  }
});

Deno.test("null and Infinity switch off what can be switched off, and are refused for the rest", () => {
  for (const name of NAMES) {
    for (const value of [null, Infinity]) {
      let resolved: unknown = "refused";
      try {
        resolved = (set(name, value) as Record<string, number>)[name];
      } catch (error) {
        assertEquals((error as Error).name, "TypeError");
      }
      const isNullable = [
        "connectionsPerAddressMax",
        "requestsPerConnectionMax",
        "bodyBytesMax",
        "bufferedBytesMax",
        "bufferedBytesTotalMax",
      ].includes(name);
      assertEquals(resolved, isNullable ? Infinity : "refused", name);
    }
  }
});

Deno.test("serve() refuses a wrong limit in the call, before anything is opened", async () => {
  const { serve } = await import("../../server/serve.ts");
  assertThrows(
    () => serve({ port: 0, limits: { headersMax: 0 } }, () => new Response()),
    RangeError,
    "headersMax",
  );
});

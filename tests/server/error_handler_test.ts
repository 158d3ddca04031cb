import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ErrorHandler, type OnError } from "../../server/error_handler.ts";

/** Runs with `console.error` caught; returns what was printed. */
async function printedBy(run: () => Promise<void> | void): Promise<unknown[]> {
  const printed: unknown[] = [];
  const { error } = console;
  console.error = (...args: unknown[]) => void printed.push(...args);
  try {
    await run();
    await new Promise<void>((resolve) => setImmediate(resolve));
  } finally {
    console.error = error;
  }
  return printed;
}

const failure = new Error("in onError");

/** What can go wrong in `onError`, and what is printed then. */
const BROKEN: readonly [string, OnError, unknown][] = [
  ["throws", () => {
    throw failure;
  }, failure],
  ["rejects", () => Promise.reject(failure), failure],
  ["returns no response", () => 7 as unknown as Response, TypeError],
  ["resolves with no response", () => Promise.resolve(7 as unknown as Response), TypeError],
];

Deno.test("what onError makes is the response, at once or later, and nothing is printed", async () => {
  const made = new Response("made");
  assertEquals(
    await printedBy(async () => {
      assertStrictEquals(new ErrorHandler(() => made).respond(failure), made);
      assertStrictEquals(await new ErrorHandler(() => Promise.resolve(made)).respond(failure), made);
    }),
    [],
  );
});

for (const [name, onError, printed] of BROKEN) {
  Deno.test(`when onError ${name} there is a plain 500, and the mistake is printed once`, async () => {
    const seen = await printedBy(async () => {
      const response = await new ErrorHandler(onError).respond(new Error("boo"));
      assertEquals([response.status, await response.text()], [500, "Internal Server Error"]);
    });
    assertEquals(seen.length, 1);
    if (printed === TypeError) assertInstanceOf(seen[0], TypeError);
    else assertStrictEquals(seen[0], printed);
  });
}

Deno.test("a report goes to onError, and nothing it does comes back", async () => {
  const told: unknown[] = [];
  const printed = await printedBy(() => {
    new ErrorHandler((error) => {
      told.push(error);
      return new Response();
    }).report(failure);
    for (const [, onError] of BROKEN) new ErrorHandler(onError).report(new Error("boo"));
  });
  assertEquals(told, [failure]);
  assertEquals(printed, [failure, failure]);
});

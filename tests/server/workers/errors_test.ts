import { assertEquals, assertInstanceOf } from "@std/assert";
import { SluiceError } from "../../../io/errors.ts";
import {
  describeError,
  reviveError,
  WorkerCrashedError,
  WorkerStartError,
} from "../../../server/workers/errors.ts";

Deno.test("both errors say which worker it was and why, and keep the cause", () => {
  const cause = new RangeError("no such flavour");
  const errors = [new WorkerStartError(3, cause), new WorkerCrashedError(3, cause)];
  assertEquals(errors.map(({ message }) => message), [
    "Cannot start worker 3: RangeError: no such flavour",
    "Cannot go on with worker 3: RangeError: no such flavour",
  ]);
  assertEquals(errors.map(({ code }) => code), ["SLUICE_WORKER_START", "SLUICE_WORKER_CRASHED"]);
  for (const error of errors) {
    assertInstanceOf(error, SluiceError);
    assertEquals([error.index, error.cause], [3, cause]);
  }
});

Deno.test("a worker that just ended is told from one that threw what is no error", () => {
  assertEquals(
    new WorkerCrashedError(0, undefined).message,
    "Cannot go on with worker 0: it ended without an error",
  );
  assertEquals(new WorkerCrashedError(0, "text").message, "Cannot go on with worker 0: text");
});

Deno.test("an error keeps its name, message and stack on its way between threads", () => {
  const error = new SyntaxError("unexpected token");
  const copy = reviveError(structuredClone(describeError(error)));
  assertEquals([copy.name, copy.message, copy.stack], ["SyntaxError", "unexpected token", error.stack]);
  assertInstanceOf(copy, SyntaxError);
  assertEquals(reviveError({ name: "OwnError", message: "mine", stack: "" }).name, "OwnError");
  assertEquals(describeError("text"), { name: "Error", message: "text", stack: "" });
});

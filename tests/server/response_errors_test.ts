import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SluiceError } from "../../io/errors.ts";
import {
  BodyLengthError,
  BodyOverrunError,
  EarlyHintsError,
  ServerStoppedError,
} from "../../server/response_errors.ts";

Deno.test("a body of the wrong length says which, and whether there is too much of it", () => {
  const short = new BodyLengthError(10, 4);
  assertEquals([short.code, short.expected, short.actual], ["SLUICE_BODY_LENGTH", 10, 4]);
  assertStringIncludes(short.message, "its Content-Length is 10, its body 4 bytes");
  assertStringIncludes(new BodyLengthError(10, 11).message, "its body longer");
  assertStringIncludes(new BodyLengthError(10, 0).message, "its body 0 bytes");
});

Deno.test("each error has a code and name of its own, and says what could not be done", () => {
  const errors = [
    new BodyLengthError(1, 2),
    new BodyOverrunError(5),
    new ServerStoppedError(),
    new EarlyHintsError("why"),
  ];
  assertEquals(new Set(errors.map(({ code }) => code)).size, errors.length);
  assertEquals(errors.map(({ name }) => name), [
    "BodyLengthError",
    "BodyOverrunError",
    "ServerStoppedError",
    "EarlyHintsError",
  ]);
  for (const error of errors) {
    assert(error instanceof SluiceError && error instanceof Error);
    assert(error.message.startsWith("Cannot ") && error.code.startsWith("SLUICE_"));
  }
  assertEquals(new BodyOverrunError(5).bufferedBytes, 5);
});

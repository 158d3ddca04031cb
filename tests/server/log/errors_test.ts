import { assertEquals, assertInstanceOf } from "@std/assert";
import { SluiceError } from "../../../io/errors.ts";
import { LogClosedError, LogEntryTooLargeError, LogKeyTakenError } from "../../../server/log/errors.ts";

Deno.test("every refusal of a log has its code, its data and its name", () => {
  const tooLarge = new LogEntryTooLargeError(9, 8);
  assertEquals([tooLarge.code, tooLarge.name, tooLarge.bytes, tooLarge.bytesMax], [
    "SLUICE_LOG_ENTRY_TOO_LARGE",
    "LogEntryTooLargeError",
    9,
    8,
  ]);
  const taken = new LogKeyTakenError("t", "k");
  assertEquals([taken.code, taken.topic, taken.key], ["SLUICE_LOG_KEY_TAKEN", "t", "k"]);
  assertEquals(new LogClosedError("Cannot append").message, "Cannot append: the event log is closed");
  for (const error of [tooLarge, taken, new LogClosedError("Cannot read")]) {
    assertInstanceOf(error, SluiceError);
  }
});

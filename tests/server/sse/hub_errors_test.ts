import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { SluiceError } from "../../../io/errors.ts";
import {
  HubClosedError,
  HubError,
  HubLimitError,
  SlowReaderError,
  TopicNameError,
} from "../../../server/sse/hub_errors.ts";

Deno.test("every limit has a code and a status of its own kind", () => {
  const limits = ["readers", "topicReaders", "addressReaders", "topics", "eventBytes", "publishes"] as const;
  const errors = limits.map((limit) => new HubLimitError(limit, 7));
  assertEquals(errors.map(({ status }) => status), [503, 503, 429, 503, 413, 503]);
  assertEquals(new Set(errors.map(({ code }) => code)).size, limits.length);
  for (const error of errors) {
    assertInstanceOf(error, HubError);
    assertStringIncludes(error.message, "(7)");
    assertEquals([error.max, error.code.startsWith("SLUICE_HUB_")], [7, true]);
  }
});

Deno.test("the other refusals have their code and data", () => {
  const name = new TopicNameError("x".repeat(10_000));
  assertEquals([name.code, name.status, name.topic.length], ["SLUICE_TOPIC_NAME", 400, 200]);
  assertEquals([new HubClosedError("Cannot publish").code, new HubClosedError("x").status], [
    "SLUICE_HUB_CLOSED",
    503,
  ]);
  const slow = new SlowReaderError(2, 1);
  assertInstanceOf(slow, SluiceError);
  assertEquals([slow.code, slow.bufferedBytes, slow.lagBytes], ["SLUICE_SLOW_READER", 2, 1]);
});

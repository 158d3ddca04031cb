import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { type ChatError, type ChatRequest, parseChat } from "../../../server/demo/chat_request.ts";

const MESSAGES = [{ role: "user", content: "tell me" }];

function parsed(body: Record<string, unknown>): ChatRequest {
  const result = parseChat(JSON.stringify({ model: "sluice-demo", messages: MESSAGES, ...body }));
  assert(!("status" in result), JSON.stringify(result));
  return result;
}

Deno.test("a plain request gets the defaults", () => {
  const request = parsed({});
  assertEquals([request.isStream, request.includesUsage, request.isCut], [false, false, false]);
  assertEquals([request.tokensPerSecond, request.failAfter, request.promptTokens], [50, null, 2]);
  assert(request.tokens >= 40 && request.tokens < 120);
});

Deno.test("the demo's own controls are taken", () => {
  const request = parsed({ sluice_demo: { tokens_per_second: 2.5, tokens: 7, fail_after: 3 } });
  assertEquals([request.tokensPerSecond, request.tokens, request.failAfter], [2.5, 7, 3]);
  assertEquals(parsed({ sluice_demo: { tokens_per_second: null } }).tokensPerSecond, null);
  assertEquals(parsed({ sluice_demo: { tokens: 0 } }).tokens, 0);
});

Deno.test("max_tokens cuts the answer, under both of its names", () => {
  const controls = { sluice_demo: { tokens: 10 } };
  for (const name of ["max_tokens", "max_completion_tokens"]) {
    const request = parsed({ ...controls, [name]: 4 });
    assertEquals([request.tokens, request.isCut], [4, true]);
  }
  assertEquals(parsed({ ...controls, max_tokens: 10 }).isCut, false);
});

Deno.test("streaming and usage are asked for as OpenAI has them", () => {
  const request = parsed({ stream: true, stream_options: { include_usage: true } });
  assertEquals([request.isStream, request.includesUsage], [true, true]);
});

Deno.test("text is taken from content parts, what is no text is passed over", () => {
  const parts = [{ type: "text", text: "one two" }, { type: "image_url", image_url: { url: "data:," } }, {
    type: "text",
    text: "three",
  }];
  assertEquals(parsed({ messages: [{ role: "user", content: parts }] }).promptTokens, 3);
  assertEquals(parsed({ messages: [{ role: "assistant", content: null }] }).promptTokens, 0);
});

Deno.test("all messages count for the seed", () => {
  const { seed } = parsed({});
  assertNotEquals(parsed({ messages: [{ role: "system", content: "x" }, ...MESSAGES] }).seed, seed);
  assertEquals(parsed({ temperature: 1 }).seed, seed);
});

/** Bodies that are refused: the status and the field that is blamed. */
const REFUSED: readonly [body: string, status: number, param: string | null][] = [
  ["", 400, null],
  ["{", 400, null],
  ["[]", 400, null],
  ["null", 400, null],
  [JSON.stringify({ messages: MESSAGES }), 400, "model"],
  [JSON.stringify({ model: "gpt-4o", messages: MESSAGES }), 404, "model"],
  [JSON.stringify({ model: "sluice-demo" }), 400, "messages"],
  [JSON.stringify({ model: "sluice-demo", messages: [] }), 400, "messages"],
  [JSON.stringify({ model: "sluice-demo", messages: ["hi"] }), 400, "messages"],
  [JSON.stringify({ model: "sluice-demo", messages: [{ content: "hi" }] }), 400, "messages"],
  [JSON.stringify({ model: "sluice-demo", messages: MESSAGES, n: 2 }), 400, "n"],
  [JSON.stringify({ model: "sluice-demo", messages: MESSAGES, max_tokens: 0 }), 400, "max_tokens"],
  [JSON.stringify({ model: "sluice-demo", messages: MESSAGES, sluice_demo: 1 }), 400, "sluice_demo"],
  ...[
    { tokens: -1 },
    { tokens: 1.5 },
    { tokens: 1e9 },
    { tokens: "9" },
  ].map((controls): [string, number, string] => [
    JSON.stringify({ model: "sluice-demo", messages: MESSAGES, sluice_demo: controls }),
    400,
    "sluice_demo.tokens",
  ]),
  [
    JSON.stringify({ model: "sluice-demo", messages: MESSAGES, sluice_demo: { tokens_per_second: 0 } }),
    400,
    "sluice_demo.tokens_per_second",
  ],
  [
    JSON.stringify({ model: "sluice-demo", messages: MESSAGES, sluice_demo: { fail_after: -1 } }),
    400,
    "sluice_demo.fail_after",
  ],
];

for (const [body, status, param] of REFUSED) {
  Deno.test(`${body.slice(0, 90)} is refused with ${status}`, () => {
    const error = parseChat(body) as ChatError;
    assertEquals([error.status, error.param], [status, param]);
    assert(error.message.length > 10);
  });
}

import { assert, assertEquals } from "@std/assert";
import { openSelector } from "../../../io/open_selector.ts";
import { demoTokens, seedOf } from "../../../server/demo/demo_text.ts";
import { type DemoUpstream, demoUpstream } from "../../../server/demo/demo_upstream.ts";

async function withDemo(use: (demo: DemoUpstream) => Promise<void>): Promise<void> {
  await using selector = openSelector();
  await use(demoUpstream(selector));
}

function post(body: unknown): Request {
  return new Request("http://demo/v1/chat/completions", { method: "POST", body: JSON.stringify(body) });
}

const CHAT = {
  model: "sluice-demo",
  messages: [{ role: "user", content: "hi" }],
  sluice_demo: { tokens: 3, tokens_per_second: null },
};

Deno.test("the models are listed, and the one there is can be asked for", async () => {
  await withDemo(async (demo) => {
    const list = await (await demo(new Request("http://demo/v1/models"))).json();
    assertEquals([list.object, list.data.length, list.data[0].id], ["list", 1, "sluice-demo"]);
    const model = await (await demo(new Request("http://demo/v1/models/sluice-demo"))).json();
    assertEquals(model, list.data[0]);
  });
});

Deno.test("a chat is answered as one object, or as events", async () => {
  await withDemo(async (demo) => {
    const text = demoTokens(seedOf("hi"), 3).join("");
    const whole = await demo(post(CHAT));
    assertEquals(whole.headers.get("content-type"), "application/json");
    assertEquals((await whole.json()).choices[0].message.content, text);
    const streamed = await demo(post({ ...CHAT, stream: true }));
    assertEquals(streamed.headers.get("content-type"), "text/event-stream");
    const body = await streamed.text();
    assert(body.endsWith("data: [DONE]\n\n"));
    assertEquals([demo.stats.requests, demo.stats.tokens, demo.stats.active], [2, 6, 0]);
  });
});

Deno.test("a reader that cancels the stream ends the answer", async () => {
  await withDemo(async (demo) => {
    const response = await demo(post({ ...CHAT, stream: true, sluice_demo: { tokens: 1_000_000 } }));
    const reader = response.body!.getReader();
    await reader.read();
    assertEquals(demo.stats.active, 1);
    await reader.cancel();
    assertEquals([demo.stats.active, demo.stats.abandoned], [0, 1]);
  });
});

/** What the demo refuses, with the status and OpenAI's code. */
const REFUSED: readonly [
  method: string,
  path: string,
  body: string | null,
  status: number,
  code: string | null,
][] = [
  ["GET", "/v1/chat/completions", null, 405, "method_not_supported"],
  ["POST", "/v1/models", "", 405, "method_not_supported"],
  ["GET", "/v1/nothing", null, 404, "unknown_url"],
  ["GET", "/", null, 404, "unknown_url"],
  ["POST", "/v1/chat/completions", "{", 400, null],
  ["POST", "/v1/chat/completions", JSON.stringify({ ...CHAT, model: "gpt" }), 404, "model_not_found"],
];

for (const [method, path, body, status, code] of REFUSED) {
  Deno.test(`${method} ${path} ${body?.slice(0, 30) ?? ""} is answered ${status} in OpenAI's shape`, async () => {
    await withDemo(async (demo) => {
      const response = await demo(new Request(`http://demo${path}`, { method, body }));
      assertEquals(response.status, status);
      const { error } = await response.json();
      assertEquals([error.type, error.code], ["invalid_request_error", code]);
      if (status === 405) assert(response.headers.has("allow"));
    });
  });
}

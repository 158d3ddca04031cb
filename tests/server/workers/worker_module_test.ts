import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { MemorySelector } from "../../../io/testing/memory_selector.ts";
import type { ServeInfo } from "../../../server/handler.ts";
import { serviceOf } from "../../../server/workers/worker_module.ts";

const URL_OF_IT = "file:///app.ts";
const request = new Request("http://localhost/");
const info = {} as ServeInfo;

/** What `createService` would be told. */
function context() {
  return { selector: new MemorySelector(), index: 1, workers: 2, data: { a: 1 } };
}

Deno.test("a default export with fetch is the service, as for deno serve, and keeps its this", async () => {
  const answer = new Response("hi");
  const told: unknown[] = [];
  const preset = {
    answer,
    fetch() {
      return this.answer;
    },
    onError: (error: unknown) => (told.push(error), answer),
    close: () => void told.push("closed"),
    stats: () => ({ rising: { told: told.length }, now: {} }),
  };
  const service = await serviceOf({ default: preset }, context(), URL_OF_IT);
  assertStrictEquals(service.fetch(request, info), answer);
  await service.onError!("wrong");
  await service.close!();
  assertEquals(service.stats!().rising, { told: 2 });
  assertEquals(told, ["wrong", "closed"]);
});

Deno.test("a default export that is a function is the handler", async () => {
  const handler = () => new Response("hi");
  const { fetch, onError } = await serviceOf({ default: handler }, context(), URL_OF_IT);
  assertEquals([fetch, onError], [handler, undefined]);
});

Deno.test("createService goes before the default export, is told where it is, and may take its time", async () => {
  const answer = new Response("made");
  const own = context();
  const seen: unknown[] = [];
  const createService = async (told: unknown) => {
    seen.push(told);
    await Promise.resolve();
    return () => answer;
  };
  const service = await serviceOf({ createService, default: () => new Response("not this") }, own, URL_OF_IT);
  assertStrictEquals(service.fetch(request, info), answer);
  assertStrictEquals(seen[0], own);
});

for (const module of [{}, { default: 5 }, { default: { get: 1 } }, { createService: () => null }]) {
  Deno.test(`a module without a service is refused: ${Object.keys(module)} ${typeof module.default}`, async () => {
    await assertRejects(
      () => serviceOf(module, context(), URL_OF_IT),
      TypeError,
      "Cannot serve file:///app.ts: it exports no createService",
    );
  });
}

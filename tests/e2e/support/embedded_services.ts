/** One set of handlers for every server that passes a `Request`: what a user would write once and run anywhere. */

import { type Gateway, gateway } from "../../../server/gateway/gateway.ts";
import type { Handler } from "../../../server/handler.ts";
import { Reply } from "../../../server/reply.ts";
import { Router } from "../../../server/router.ts";
import { EventHub } from "../../../server/sse/event_hub.ts";
import { sse } from "../../../server/sse/sse.ts";

/** The handlers, and what they hold. */
export interface EmbeddedServices extends AsyncDisposable {
  /** Answers requests. */
  readonly handler: Handler;
  /** The hub behind `/topics/:topic`. */
  readonly hub: EventHub;
  /** The gateway behind `/up/*`. */
  readonly proxy: Gateway;
}

async function* halves() {
  yield "one ";
  yield new TextEncoder().encode("two");
}

/** Replies with each kind of body, by name. */
const BODIES: Readonly<Record<string, () => Response>> = {
  text: () => new Reply("one two"),
  bytes: () => new Reply(new TextEncoder().encode("one two")),
  blob: () => new Reply(new Blob(["one ", "two"])),
  stream: () => new Reply(new Blob(["one ", "two"]).stream()),
  iterable: () => new Reply(halves()),
  web: () => new Response("one two"),
  producer: () =>
    new Reply({
      async start(writer) {
        writer.writeText("one ");
        await writer.drain();
        writer.writeText("two");
        writer.end();
      },
    }),
};

/** Makes the handlers; `/up/*` is forwarded to `upstream`. */
export function embeddedServices(upstream: string): EmbeddedServices {
  const hub = new EventHub({ heartbeatMs: null });
  const proxy = gateway({ upstream });
  const router = new Router()
    .get("/plain", () => new Response("plain", { headers: { "x-made": "by hand" } }))
    .get("/bodies/:kind", (_request, info) => BODIES[info.params.kind]!())
    .post("/json", async (request) => Reply.json({ got: await request.json() }, { status: 201 }))
    .get(
      "/countdown",
      sse(async function* () {
        for (let left = 3; left > 0; left--) yield { event: "left", data: left };
      }, { heartbeatMs: null }),
    )
    .get("/topics/:topic", (request, info) => hub.subscribe(request, info.params.topic, info))
    .post(
      "/topics/:topic",
      async (request, info) =>
        new Reply(await hub.publish(info.params.topic, { data: await request.text() })),
    )
    .get("/readers", () => new Reply(`${hub.stats.readers}`))
    .all("/up/*", proxy);
  return {
    handler: router.handler,
    hub,
    proxy,
    async [Symbol.asyncDispose]() {
      await hub.close();
      await proxy.close();
    },
  };
}

/** The kinds `/bodies/:kind` knows. */
export const BODY_KINDS: readonly string[] = Object.keys(BODIES);

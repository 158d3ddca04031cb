/** The demo upstream, a gateway in front of it, and the real `openai` client in front of that. */

import OpenAI from "npm:openai@7.55.0";
import { openSelector } from "../../../io/open_selector.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import { type DemoUpstream, demoUpstream } from "../../../server/demo/demo_upstream.ts";
import { serve } from "../../../server/serve.ts";
import { type GatewayStage, stageGateway } from "./gateway_stage.ts";

/** What a test gets to work with. */
export interface DemoStage extends GatewayStage {
  /** The upstream. */
  readonly demo: DemoUpstream;
  /** The client. */
  readonly client: OpenAI;
}

/** The real client, pointed at a gateway; it does not try again by itself, so that every failure is seen. */
export function openaiClient(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: "none needed", maxRetries: 0 });
}

/** Starts all three. */
export function stageDemo(): DemoStage {
  const selector = openSelector();
  const demo = demoUpstream(selector);
  // The demo breaks connections off when asked to; that is no error of its server.
  const options = {
    hostname: "127.0.0.1",
    port: 0,
    selector,
    onError: () => new Response(null, { status: 500 }),
  };
  const server = serve(options, demo);
  const stage = stageGateway(`http://127.0.0.1:${(server.addr as TcpAddr).port}`);
  return {
    ...stage,
    demo,
    client: openaiClient(stage.url),
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]();
      await server.shutdown({ graceMs: 0, streamGraceMs: 0 });
      await selector.close();
    },
  };
}

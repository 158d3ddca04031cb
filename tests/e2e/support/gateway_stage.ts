/** A gateway under a real `serve()`, in front of an upstream of the test's. */

import { assert, assertEquals } from "@std/assert";
import { openSelector } from "../../../io/open_selector.ts";
import type { SluiceError } from "../../../io/errors.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import { type Gateway, gateway, type GatewayOptions } from "../../../server/gateway/gateway.ts";
import { serve, type ServeOptions } from "../../../server/serve.ts";
import { RawUpstream, type UpstreamScript } from "./raw_upstream.ts";

/** What a test gets to work with. */
export interface GatewayStage extends AsyncDisposable {
  /** The gateway. */
  readonly proxy: Gateway;
  /** Where the server that runs it listens. */
  readonly port: number;
  /** The same as a URL. */
  readonly url: string;
  /** Failures of the upstream, in the order in which they were told of. */
  readonly upstreamErrors: SluiceError[];
  /** What the server's `onError` was told of. */
  readonly serverErrors: unknown[];
}

/** Serves a gateway to `upstream`. */
export function stageGateway(
  upstream: string,
  options: Omit<GatewayOptions, "upstream" | "selector"> = {},
  serveOptions: Omit<ServeOptions, "selector"> = {},
): GatewayStage {
  const selector = openSelector();
  const upstreamErrors: SluiceError[] = [];
  const serverErrors: unknown[] = [];
  const proxy = gateway({ upstream, selector, onError: (error) => upstreamErrors.push(error), ...options });
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    selector,
    onError(error) {
      serverErrors.push(error);
      return new Response("server error", { status: 500 });
    },
    ...serveOptions,
  }, proxy);
  const { port } = server.addr as TcpAddr;
  return {
    proxy,
    port,
    url: `http://127.0.0.1:${port}`,
    upstreamErrors,
    serverErrors,
    async [Symbol.asyncDispose]() {
      await server.shutdown({ graceMs: 0, streamGraceMs: 0 });
      await proxy.close();
      await selector.close();
    },
  };
}

/** Runs a test with a gateway in front of a scripted upstream. */
export async function withUpstream(
  script: UpstreamScript,
  play: (stage: GatewayStage, upstream: RawUpstream) => Promise<void>,
  options: Parameters<typeof stageGateway>[1] = {},
  serveOptions: Parameters<typeof stageGateway>[2] = {},
): Promise<void> {
  try {
    await using upstream = await RawUpstream.start(script);
    await using stage = stageGateway(upstream.url, options, serveOptions);
    await play(stage, upstream);
  } catch (error) {
    // What the test saw says more than that the upstream's script was cut short by it.
    throw error instanceof SuppressedError ? error.suppressed : error;
  }
}

/** Checks a problem document. */
export async function assertProblem(response: Response, status: number, code: string): Promise<void> {
  assertEquals([response.status, response.headers.get("content-type")], [status, "application/problem+json"]);
  const problem = await response.json();
  assertEquals([problem.status, problem.code], [status, code]);
  assert(!JSON.stringify(problem).includes("127.0.0.1"), "the upstream's address is nobody's business");
}

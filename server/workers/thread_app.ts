/**
 * What `deno task serve --workers` serves in each worker: the gateway here, everything that has a memory on the main thread.
 *
 * | request | answer |
 * |---|---|
 * | any `/v1/*` | forwarded to the upstream from this thread |
 * | `GET /healthz` | this thread's own: 503 once it is stopping |
 * | all else | forwarded to the main thread, which has topics, jobs, metrics and the page |
 *
 * So a topic has one order and one log, whichever worker its publishers and readers were dealt to; the price is a
 * forwarded stream per reader. Like every module for `serve({ workers, module })` it exports `createService`.
 *
 * @module
 */
import { health } from "../app.ts";
import { UpstreamError } from "../gateway/errors.ts";
import { gateway } from "../gateway/gateway.ts";
import { Reply } from "../reply.ts";
import { Router } from "../router.ts";
import { gatewayCounts } from "./gateway_counts.ts";
import type { WorkerContext, WorkerService } from "./worker_module.ts";

/** What the main thread tells its workers. */
export interface ThreadAppData {
  /** Where `/v1/*` goes. */
  readonly upstream: string;
  /** Where all else goes: the main thread. */
  readonly home: string;
}

/** Makes a worker's service. */
export function createService({ selector, data }: WorkerContext): WorkerService {
  const { upstream, home } = data as ThreadAppData;
  const proxy = gateway({
    upstream,
    selector,
    onError: (error) => console.error(`upstream: ${error.message}`),
  });
  const main = gateway({ upstream: home, selector, stopsTogether: true });
  const router = new Router().get("/healthz", health).all("/v1/*", proxy).all("/*", main);
  return {
    fetch: router.handler,
    onError,
    stats: () => gatewayCounts(proxy.stats),
    async close() {
      await Promise.all([proxy.close(), main.close()]);
    },
  };
}

/** Says what went wrong while answering; the gateway has told of its upstream. */
function onError(error: unknown): Response {
  if (!(error instanceof UpstreamError)) console.error(error);
  return new Reply("Internal Server Error", { status: 500 });
}

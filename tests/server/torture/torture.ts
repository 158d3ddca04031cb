/**
 * Requests sent, pipelined, cut, abandoned and answered at random, by one selector that has both ends of every connection: the
 * torture of the HTTP layer.
 *
 * A client knows every byte that it must be sent, so a response that is another's, out of step, doubled or cut but looks whole is
 * found, and so is one that does not come although nothing stood in its way. In the end the servers must have nothing open,
 * and every handler must have heard what became of its response. Everything at random follows from one seed.
 *
 * @module
 */
import type { Selector } from "../../../io/selector.ts";
import { Prng } from "../../../io/testing/prng.ts";
import { type Gateway, gateway } from "../../../server/gateway/gateway.ts";
import { serve, type Server } from "../../../server/serve.ts";
import type { ServeLimits } from "../../../server/limits.ts";
import type { ShutdownReport } from "../../../server/shutdown.ts";
import { WriteBudget } from "../../../server/write_budget.ts";
import { type Circumstances, Client, type Fate } from "./client.ts";
import { DeliberateError, Ledger } from "./ledger.ts";
import { type Plan, planRequest, UPLOAD_BYTES_MAX } from "./plan.ts";
import { createService } from "./service.ts";

/** More than this of a body nobody reads ends its connection. */
const UNREAD_BYTES_MAX = 3_000;

/** Far longer than anything takes: what is waited for longer never comes. */
const HANG_MS = 180_000;

/** No deadline may pass, however busy the machine is: what comes late is no fault here. */
const DEADLINES = {
  firstByteMs: null,
  headMs: null,
  bodyIdleMs: null,
  bodyBytesPerSecondMin: null,
  handlerMs: null,
  writeStallMs: null,
  writeBytesPerSecondMin: null,
  keepAliveMs: null,
  lingerMs: 2 * HANG_MS,
};

const PROXY_DEADLINES = {
  idleTimeoutMs: HANG_MS,
  queueTimeoutMs: HANG_MS,
  connectTimeoutMs: HANG_MS,
  continueTimeoutMs: HANG_MS,
  headTimeoutMs: null,
  bodyIdleTimeoutMs: null,
};

/** How much torture. */
export interface HttpTortureOptions {
  readonly seed: number;
  /** Connections in all. */
  readonly connections: number;
  /** Connections at once. */
  readonly openMax: number;
}

/** What happened. */
export interface HttpTortureReport {
  readonly complete: number;
  readonly incomplete: number;
  readonly bytes: number;
}

/** What one seed has. */
interface Stage {
  readonly selector: Selector;
  readonly prng: Prng;
  readonly ledger: Ledger;
  readonly limits: ServeLimits;
  readonly circumstances: Circumstances;
  readonly budget: WriteBudget;
  readonly server: Server;
  readonly upstream: Server;
  readonly proxy: Gateway;
  readonly clients: Set<Client>;
}

/** One turn of the runtime's loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Runs it.
 *
 * @returns what happened
 * @throws Error with what was found wrong
 */
export async function tortureHttp(
  selector: Selector,
  options: HttpTortureOptions,
): Promise<HttpTortureReport> {
  const stage = open(selector, new Prng(options.seed));
  const { prng, ledger, clients, server, upstream, proxy, circumstances } = stage;
  const stopAt = circumstances.cuts || prng.chance(0.3) ? prng.integer(1, options.connections) : Infinity;
  let stopped: Promise<ShutdownReport> | null = null;
  let before: Counts | null = null;
  const connecting = new Set<Promise<unknown>>();
  let made = 0;
  let turns = 0;
  const begun = performance.now();
  while (made < options.connections || clients.size > 0 || connecting.size > 0) {
    if (ledger.faults.length > 0) break;
    if (made < options.connections && clients.size + connecting.size < options.openMax && stopped === null) {
      made++;
      connect(stage, connecting);
    }
    if (made >= stopAt && stopped === null && prng.chance(0.05)) {
      ledger.isStopping = true;
      before = countsOf(server);
      stopped = server.shutdown(
        circumstances.cuts ? { graceMs: prng.integer(0, 5) } : { graceMs: HANG_MS, streamGraceMs: HANG_MS },
      );
      made = options.connections;
    }
    for (const client of [...clients]) if (prng.chance(0.3)) client.act(prng);
    if (prng.chance(0.4) || clients.size === 0 || made === options.connections) await turn();
    if (++turns % 1_000 === 0 && performance.now() - begun > HANG_MS) {
      ledger.fault(`still open: ${[...clients].map(({ place }) => place).join("; ")}`);
    }
  }
  ledger.isOver = ledger.faults.length > 0;
  for (const client of clients) client.breakOff("abort");
  await Promise.all(connecting);
  before ??= countsOf(server);
  ledger.isStopping = true;
  const report = await (stopped ?? server.shutdown({ graceMs: ledger.faults.length > 0 ? 0 : HANG_MS }));
  await proxy.close();
  await upstream.shutdown({ graceMs: ledger.faults.length > 0 ? 0 : HANG_MS });
  await judge(stage, report, before);
  if (ledger.faults.length > 0) throw new Error(`HTTP torture found: ${ledger.faults.join("\n")}`);
  const { complete, incomplete, bytes } = ledger;
  return { complete, incomplete, bytes };
}

/** Opens the servers, with limits that are reached. */
function open(selector: Selector, prng: Prng): Stage {
  const ledger = new Ledger();
  const sheds = prng.chance(0.2);
  const refuses = prng.chance(0.2);
  const lingerBytesMax = prng.chance(0.2) ? 5_000 : 4 * 1024 * 1024;
  const limits: ServeLimits = {
    pipelinedRequestsMax: prng.integer(1, 5),
    requestsPerConnectionMax: prng.chance(0.3) ? prng.integer(2, 5) : null,
    bodyBytesMax: UPLOAD_BYTES_MAX,
    unreadBodyBytesMax: UNREAD_BYTES_MAX,
    bufferedBytesMax: 128 * 1024,
    lingerBytesMax,
    ...(refuses ? { connectionsMax: prng.integer(2, 6) } : {}),
  };
  const circumstances = {
    allowHalfClose: prng.chance(0.5),
    refuses,
    sheds,
    lingerBytesMax,
    cuts: prng.chance(0.15),
  };
  const common = {
    port: 0,
    hostname: "127.0.0.1",
    selector,
    deadlines: DEADLINES,
    onListen() {},
    onError: (error: unknown) => {
      if (!isDeliberate(error)) {
        ledger.fault(`an error was reported: ${describe(error)}`);
      }
      return new Response("deliberate", { status: 500 });
    },
  };
  const { connectionsMax: _, ...upstreamLimits } = limits;
  const upstream = serve(
    {
      ...common,
      limits: {
        ...upstreamLimits,
        unreadBodyBytesMax: 2 * UPLOAD_BYTES_MAX,
        lingerBytesMax: 4 * 1024 * 1024,
      },
    },
    createService(ledger, null),
  );
  const proxy = gateway({
    upstream: `http://127.0.0.1:${upstream.addr.port}`,
    selector,
    stripPrefix: "/via",
    connectionsMax: 8,
    ...PROXY_DEADLINES,
  });
  const budget = new WriteBudget(sheds ? 300_000 : Infinity);
  const service = createService(ledger, proxy);
  const server = serve({
    ...common,
    limits,
    writeBudget: budget,
    allowHalfClose: circumstances.allowHalfClose,
  }, service);
  return {
    selector,
    prng,
    ledger,
    limits,
    circumstances,
    budget,
    server,
    upstream,
    proxy,
    clients: new Set(),
  };
}

/** Whether a handler threw it on purpose, or it is what follows from that. */
function isDeliberate(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error instanceof DeliberateError || error.name === "UpstreamClosedError" ||
    error.name === "Http1Error" || error.name === "BodyOverrunError";
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.name}: ${error.message}${error.cause === undefined ? "" : ` <- ${describe(error.cause)}`}`;
}

const FATES: readonly Fate[] = ["whole", "whole", "whole", "half", "cut", "close", "abort"];

/** Connects one more client. */
function connect(stage: Stage, connecting: Set<Promise<unknown>>): void {
  const { prng, ledger, clients, circumstances, selector, server } = stage;
  const plans: Plan[] = [];
  for (let count = prng.integer(1, 6); count > 0 && plans.at(-1)?.isLast !== true; count--) {
    plans.push(planRequest(prng, ledger.nextId++, { unreadBytesMax: UNREAD_BYTES_MAX, hasGateway: true }));
  }
  const fate = FATES[prng.integer(0, FATES.length - 1)]!;
  const pipelines = prng.chance(0.7);
  const { addr } = server;
  if (addr.transport !== "tcp") throw new TypeError("Cannot connect: the server has no port");
  const attempt: Promise<unknown> = selector.connect(
    { hostname: addr.hostname, port: addr.port, timeoutMs: null },
    () => new Client(plans, fate, pipelines, ledger, circumstances, clients),
  ).catch((error: unknown) => {
    if (!ledger.isStopping && !circumstances.refuses) ledger.fault(`cannot connect: ${describe(error)}`);
  }).then(() => connecting.delete(attempt));
  connecting.add(attempt);
}

/** What must be so when all is over. */
async function judge(
  { ledger, server, upstream, budget }: Stage,
  report: ShutdownReport,
  before: Counts,
): Promise<void> {
  const begun = performance.now();
  while ((ledger.running > 0 || ledger.openBodies.size > 0) && performance.now() - begun < HANG_MS) {
    await turn();
  }
  if (ledger.running > 0) ledger.fault(`${ledger.running} handlers never returned`);
  for (const { name } of ledger.openBodies) ledger.fault(`the body of ${name} was never ended`);
  for (const { stats } of [server, upstream]) {
    const left = [stats.connectionsOpen, stats.requestsActive, stats.streamsOpen];
    if (left.some((count) => count !== 0)) ledger.fault(`connections, requests and streams left: ${left}`);
  }
  if (budget.count() !== 0) ledger.fault(`${budget.count()} bytes left in the budget`);
  for (const { kind, id, completed, hasTrailers } of ledger.calls.values()) {
    if (!hasTrailers) ledger.fault(`${kind} ${id} never heard of its trailers`);
    if (completed === "pending") ledger.fault(`${kind} ${id} never heard what became of its response`);
  }
  for (const id of ledger.delivered) {
    const call = ledger.calls.get(id);
    if (call === undefined || (call.completed === "resolved" && !call.isDisconnected)) continue;
    ledger.fault(`${call.kind} ${id} came whole, but its handler heard: ${describe(call.reason)}`);
  }
  const { finished, ended, cut, left } = report;
  const after = countsOf(server);
  const due = before.active + after.total - before.total - (after.hijacked - before.hijacked);
  const sum = finished + ended + cut + left;
  if (sum < due || sum > due + after.hijacked) {
    ledger.fault(`of ${due} requests in progress or to come the stop reports ${JSON.stringify(report)}`);
  }
}

/** What a server counts, for the report of its stop. */
interface Counts {
  readonly active: number;
  readonly total: number;
  readonly hijacked: number;
}

function countsOf({ stats }: Server): Counts {
  return { active: stats.requestsActive, total: stats.requestsTotal, hijacked: stats.hijacked };
}

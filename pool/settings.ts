/**
 * The options of a pool with their defaults, checked.
 *
 * @module
 */
import type { Isolation, PoolOptions, QueuePolicy } from "./pool_contract.ts";

/** What a pool goes by: `PoolOptions` without gaps. */
export interface Settings {
  readonly workersMin: number;
  readonly workersMax: number;
  readonly idleTimeoutMs: number;
  readonly concurrency: number;
  readonly queueMax: number;
  readonly queuePolicy: QueuePolicy;
  readonly agingMs: number;
  readonly graceMs: number;
  readonly isolation: Isolation;
  readonly abandonedMax: number;
  readonly stretchMsMax: number;
  readonly heapMibMax: number;
  readonly copyBytesMax: number;
  readonly transfer: "auto" | "copy";
  readonly startAttemptsMax: number;
  readonly onStrayError: ((error: unknown) => void) | null;
}

/** Starting a worker takes 20–100 ms: one that was used half a minute ago is worth its few megabytes. */
const IDLE_TIMEOUT_MS = 30_000;
/** A few megabytes of calls, and a second of work for small ones. */
const QUEUE_MAX = 16_384;
/** Waiting a second more is worth a step: with priorities of a few steps nobody waits for more than seconds. */
const AGING_MS = 1_000;
/** Time to finish a write or a chunk; a person does not notice. */
const GRACE_MS = 500;
/** Two cores burning are bad; more is a broken program. */
const ABANDONED_MAX = 2;
/** Copying 16 MiB takes some milliseconds of the main thread. */
const COPY_BYTES_MAX = 16 * 1024 * 1024;
/** A start can fail for want of memory or descriptors once or twice; a third time it is the module. */
const START_ATTEMPTS_MAX = 3;

const POLICIES: readonly QueuePolicy[] = ["wait", "reject", "drop-oldest"];

/** Makes settings of options. @throws RangeError or TypeError for one that cannot be */
export function settle(options: PoolOptions): Settings {
  const workersMax = options.workersMax ?? Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1);
  const settings: Settings = {
    workersMin: options.workersMin ?? 0,
    workersMax,
    idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
    concurrency: options.concurrency ?? 1,
    queueMax: options.queueMax ?? QUEUE_MAX,
    queuePolicy: options.queuePolicy ?? "reject",
    agingMs: options.agingMs ?? AGING_MS,
    graceMs: options.graceMs ?? GRACE_MS,
    isolation: options.isolation ?? ((options.heapMibMax ?? 0) > 0 ? "process" : "thread"),
    abandonedMax: options.abandonedMax ?? ABANDONED_MAX,
    stretchMsMax: options.stretchMsMax ?? 0,
    heapMibMax: options.heapMibMax ?? 0,
    copyBytesMax: options.copyBytesMax ?? COPY_BYTES_MAX,
    transfer: options.transfer ?? "auto",
    startAttemptsMax: options.startAttemptsMax ?? START_ATTEMPTS_MAX,
    onStrayError: options.onStrayError ?? null,
  };
  check(settings);
  return settings;
}

function check(settings: Settings): void {
  const { workersMin, workersMax, queuePolicy, isolation, transfer } = settings;
  for (const name of ["workersMax", "concurrency", "queueMax", "startAttemptsMax"] as const) {
    need(
      name,
      settings[name],
      Number.isSafeInteger(settings[name]) && settings[name] >= 1,
      "a whole number from 1 on",
    );
  }
  for (const name of ["workersMin", "abandonedMax", "heapMibMax"] as const) {
    need(
      name,
      settings[name],
      Number.isSafeInteger(settings[name]) && settings[name] >= 0,
      "a whole number from 0 on",
    );
  }
  for (const name of ["idleTimeoutMs", "agingMs", "graceMs", "stretchMsMax", "copyBytesMax"] as const) {
    need(name, settings[name], settings[name] >= 0, "a number from 0 on");
  }
  need("workersMin", workersMin, workersMin <= workersMax, `at most workersMax, ${workersMax}`);
  if (!POLICIES.includes(queuePolicy)) throw new TypeError(`Cannot use "${queuePolicy}" as queuePolicy`);
  if (isolation !== "thread" && isolation !== "process") {
    throw new TypeError(`Cannot use "${isolation}" as isolation`);
  }
  if (transfer !== "auto" && transfer !== "copy") throw new TypeError(`Cannot use "${transfer}" as transfer`);
}

function need(name: string, value: number, isRight: boolean, what: string): void {
  if (!isRight) throw new RangeError(`Cannot use ${value} as ${name}: it must be ${what}`);
}

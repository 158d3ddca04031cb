/**
 * Workers that serve one port together: started, watched, replaced, counted and stopped as one server.
 *
 * Strategy: each worker is a thread with its own selector and its own listener on the same address (`SO_REUSEPORT`,
 * socket(7)), among which the kernel deals out connections; so nothing of a request passes this thread. One loop per
 * worker waits for its end; if nobody asked for that, it counts a crash and starts another one after a pause that
 * doubles with each failure in a row.
 *
 * What bounds it: as many threads as were asked for; at most one start per worker and pause; a stop takes the grace
 * period and `STOP_MARGIN_MS`, then what is left is ended.
 *
 * Known limits: limits hold per worker. The kernel deals out by a hash of both addresses and ports: evenly over
 * many connections, unevenly over few, whatever a worker has to do. What waits in the accept queue of a
 * worker that crashes is reset.
 *
 * @module
 */
import type { TcpAddr, Timer, Timers } from "../../io/selector.ts";
import type { Selection } from "../../io/open_selector.ts";
import type { ServerStats } from "../server_stats.ts";
import { resolveGrace, type ShutdownOptions, type ShutdownReport } from "../shutdown.ts";
import { WorkerCrashedError } from "./errors.ts";
import { GroupWorker, type WorkerEnd } from "./group_worker.ts";
import type { OpenLink, WorkerConfig } from "./protocol.ts";
import { NOTHING_COUNTED, retiredStats, sumReports, sumServices, sumStats } from "./sum_stats.ts";
import type { ServiceStats } from "./worker_module.ts";

/** Pause before the first replacement: a crash that repeats at once must not cost a core. */
const PAUSE_MS = 100;
/** Longest pause: what was wrong outside, a file or a port, is noticed to be right again within it. */
const PAUSE_MS_MAX = 10_000;
/** A worker that lived this long did not crash because it was started: pauses begin anew. */
const SETTLED_MS = 30_000;
/** What a worker gets beyond the grace period to report: it may have to wait for its turn on the processor. */
const STOP_MARGIN_MS = 2_000;
/** What a stopped thread gets to be gone: more than a turn of any that waits for something. */
const GONE_MS_MAX = 1_000;
/** How long counters are waited for: a worker that is busy for longer is shown as it was. */
const STATS_MS_MAX = 1_000;

/** What a group counts of its workers. */
export interface WorkerCounts {
  /** Workers there should be. */
  readonly size: number;
  /** Workers that listen now. */
  readonly up: number;
  /** Workers that came to listen. */
  readonly started: number;
  /** Workers that ended although nobody asked them to. */
  readonly crashed: number;
  /** Replacements that did not come to listen. */
  readonly failedStarts: number;
}

/** What a group is made of. */
export interface GroupSettings {
  /** How many workers. */
  readonly size: number;
  /** What each is started with. */
  readonly config: Omit<WorkerConfig, "index" | "workers">;
  /** Makes a thread. */
  readonly open: OpenLink;
  /** For pauses and deadlines. */
  readonly timers: Timers;
  /** What time it is. */
  readonly now: () => number;
  /** Hears of crashes and of replacements that failed. */
  readonly onCrash: (error: Error) => void;
}

/** Workers that serve one port; see the module's text. */
export class WorkerGroup {
  readonly #settings: GroupSettings;
  readonly #workers: (GroupWorker | null)[];
  readonly #loops: Promise<void>[] = [];
  readonly #reports: ShutdownReport[] = [];
  readonly #counts = { started: 0, crashed: 0, failedStarts: 0 };
  /** Counters of workers that are gone. */
  #retired: ServerStats = sumStats([]);
  #retiredServices: ServiceStats = NOTHING_COUNTED;
  #addr: TcpAddr | null = null;
  #selection: Selection | null = null;
  #isKept = true;
  #isStopping = false;
  /** Ends pauses. */
  readonly #stopping: PromiseWithResolvers<void> = Promise.withResolvers();
  #report: Promise<ShutdownReport> | null = null;
  /** Ends what has not stopped when it should have, and when that is. */
  readonly #deadline: Timer;
  #lateAtMs = Infinity;

  /** @param settings what it is made of; nothing is started yet */
  constructor(settings: GroupSettings) {
    this.#settings = settings;
    this.#workers = new Array(settings.size).fill(null);
    this.#deadline = settings.timers.idle(() => this.#stopAll());
  }

  /** Where it listens. */
  get addr(): TcpAddr {
    return this.#addr!;
  }

  /** The selector that its workers wait with. */
  get selection(): Selection {
    return this.#selection!;
  }

  /** What it counts of its workers. */
  get counts(): WorkerCounts {
    const up = this.#workers.filter((worker) => worker?.isUp === true).length;
    return { size: this.#workers.length, up, ...this.#counts };
  }

  /**
   * Starts all workers; the first one picks the port if it is 0.
   *
   * @throws (rejects with) `WorkerStartError` when one does not come to listen; then none does
   */
  async start(): Promise<void> {
    try {
      const { hostname, port, selection } = await this.#launch(0).ready;
      this.#addr = { transport: "tcp", hostname, port };
      this.#selection = selection;
      const others = this.#workers.slice(1).map((_, at) => this.#launch(at + 1));
      await Promise.all(others.map(({ ready }) => ready));
    } catch (error) {
      this.#isStopping = true;
      this.#deadline.reset(STOP_MARGIN_MS);
      for (const worker of this.#workers) worker?.shutdown({ graceMs: 0 });
      await Promise.all(this.#workers.map((worker) => worker?.ended));
      this.#deadline.cancel();
      throw error;
    }
    this.#counts.started += this.#workers.length;
    for (const worker of this.#workers) this.#loops.push(this.#keep(worker!));
  }

  /** The sum of all counters, those of workers that are gone included. */
  async stats(): Promise<ServerStats> {
    const late = Promise.withResolvers<void>();
    const timer = this.#settings.timers.after(STATS_MS_MAX, () => late.resolve());
    await Promise.race([Promise.all(this.#workers.map((worker) => worker?.refresh())), late.promise]);
    timer.cancel();
    return this.lastStats();
  }

  /** The same as last told, without asking. */
  lastStats(): ServerStats {
    const present = this.#workers.filter((worker) => worker !== null);
    return sumStats([this.#retired, ...present.map(({ stats }) => stats)]);
  }

  /** The sum of what their services count, as last told. */
  serviceStats(): ServiceStats {
    const present = this.#workers.filter((worker) => worker !== null);
    return sumServices([this.#retiredServices, ...present.map(({ serviceStats }) => serviceStats)]);
  }

  /** Stops all workers; resolves with the sum of their reports. A second call joins the first and can only hasten it. */
  shutdown(options: ShutdownOptions): Promise<ShutdownReport> {
    const grace = resolveGrace(options);
    const lateMs = grace.graceMs + STOP_MARGIN_MS;
    const lateAtMs = this.#settings.now() + lateMs;
    if (lateAtMs < this.#lateAtMs) this.#deadline.reset(lateMs);
    this.#lateAtMs = Math.min(this.#lateAtMs, lateAtMs);
    this.#isStopping = true;
    this.#stopping.resolve();
    for (const worker of this.#workers) worker?.shutdown(grace);
    return this.#report ??= this.#finish();
  }

  /** Whether the process lives on while it serves. */
  keepAlive(isKept: boolean): void {
    this.#isKept = isKept;
    for (const worker of this.#workers) worker?.keepAlive(isKept);
  }

  async #finish(): Promise<ShutdownReport> {
    await Promise.all(this.#loops);
    this.#deadline.cancel();
    return sumReports(this.#reports);
  }

  /** Keeps one worker's place filled until the group stops. */
  async #keep(first: GroupWorker): Promise<void> {
    const { now, onCrash } = this.#settings;
    let failures = 0;
    for (let worker: GroupWorker | null = first; worker !== null;) {
      const upAtMs = now();
      const end = await worker.ended;
      this.#retire(worker, end);
      if (this.#isStopping) return;
      this.#counts.crashed++;
      onCrash(new WorkerCrashedError(worker.index, end.error));
      if (now() - upAtMs >= SETTLED_MS) failures = 0;
      worker = await this.#replace(worker.index, failures);
      failures++;
    }
  }

  /** Starts another worker, and another one if that fails; `null` when the group stops meanwhile. */
  async #replace(index: number, failures: number): Promise<GroupWorker | null> {
    for (let tries = failures;; tries++) {
      await this.#pause(Math.min(PAUSE_MS * 2 ** tries, PAUSE_MS_MAX));
      if (this.#isStopping) return null;
      try {
        const worker = this.#launch(index);
        await worker.ready;
        this.#counts.started++;
        return worker;
      } catch (error) {
        await this.#workers[index]?.ended;
        this.#workers[index] = null;
        if (this.#isStopping) return null;
        this.#counts.failedStarts++;
        this.#settings.onCrash(error as Error);
      }
    }
  }

  #launch(index: number): GroupWorker {
    const { config, open, size } = this.#settings;
    const serve = this.#addr === null ? config.serve : { ...config.serve, port: this.#addr.port };
    const worker = new GroupWorker({ ...config, serve, index, workers: size }, open);
    if (!this.#isKept) worker.keepAlive(false);
    this.#workers[index] = worker;
    return worker;
  }

  /** A worker is gone. One that was to report and did not has cut what it had. */
  #retire(worker: GroupWorker, { report }: WorkerEnd): void {
    const { stats, serviceStats, index } = worker;
    this.#retired = sumStats([this.#retired, retiredStats(stats)]);
    const { rising } = sumServices([this.#retiredServices, serviceStats]);
    this.#retiredServices = { ...NOTHING_COUNTED, rising };
    this.#workers[index] = null;
    if (!this.#isStopping) return;
    const { requestsActive: cut } = stats;
    this.#reports.push(report ?? { finished: 0, ended: 0, cut, left: 0, idle: 0, elapsedMs: 0 });
  }

  async #pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = this.#settings.timers.after(ms, () => over.resolve());
    await Promise.race([over.promise, this.#stopping.promise]);
    timer.cancel();
  }

  /** Ends what is left; what does not even end then, because it computes, is given up. */
  #stopAll(): void {
    for (const worker of this.#workers) worker?.stop();
    this.#settings.timers.after(GONE_MS_MAX, () => {
      for (const worker of this.#workers) worker?.giveUp();
    });
  }
}

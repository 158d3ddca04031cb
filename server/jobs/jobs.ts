/**
 * The jobs service: takes jobs, has them run by named runners, and tells their stories.
 *
 * Strategy: the store decides (what is due, whose a job is, what became of it); the service claims as many jobs of a runner as
 * that may have at work, each an attempt of its own (`job_run.ts`). It looks for jobs when the store says that there may be one,
 * when an attempt ends, and when the next one falls due; never more than one look at a time.
 *
 * A runner's slots are its own: ten thousand jobs that wait for tokens take none from those that compute.
 *
 * What bounds it, and what happens then:
 * - the store's bounds: enqueuing is refused, see `JobStore`.
 * - `JobRunner.concurrencyMax`: the jobs wait in the store.
 * - a runner that does not stop when told to: its job is settled without it after `abortGraceMs`, its slot stays taken.
 * - stories: those of the hub's log; of jobs that are over, `storiesMax`.
 *
 * Known limits: with a store that several processes share, jobs enqueued elsewhere are found within `pollMs`, and
 * a job cancelled elsewhere is told to stop at its next renewal. Of a job that is run elsewhere a story tells the end only, at a later poll.
 *
 * @module
 */
import { breather } from "../../io/breathe.ts";
import type { Clock, Timer, Timers } from "../../io/selector.ts";
import { SystemClock } from "../../io/system_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { MemoryLog } from "../log/memory_log.ts";
import { EventHub } from "../sse/event_hub.ts";
import { JobError, JobsStoppingError, UnknownRunnerError } from "./errors.ts";
import { JobRun, type RunHost } from "./job_run.ts";
import { type JobRunner, type ResolvedRunner, resolveRunners } from "./job_runner.ts";
import { answerStory } from "./job_story_reply.ts";
import type { JobPage, JobQuery, JobRecord, JobStore, NewJob } from "./job_store.ts";
import { JobStories } from "./job_stories.ts";
import { type AttemptOutcome, type JobsStats, RunnerCounters } from "./jobs_stats.ts";
import { MemoryJobStore } from "./memory_job_store.ts";
import { checkLease } from "./new_job.ts";

/** Options of `Jobs`. */
export interface JobsOptions {
  /** Who runs jobs, by the name that jobs call them by. */
  readonly runners: Readonly<Record<string, JobRunner>>;
  /** Where jobs are; the caller closes it. Default a `MemoryJobStore` of the service's own. */
  readonly store?: JobStore;
  /**
   * Where stories are told; the caller closes it. Its log must keep a topic per job. Default a hub of the service's own, on a
   * `MemoryLog` of 64 MiB.
   */
  readonly hub?: EventHub;
  /** Clock and timers, such as a selector. Default the machine's. */
  readonly time?: { readonly clock: Clock; readonly timers: Timers };
  /** How long a silent process keeps a job, milliseconds. It is renewed three times within. Default 30,000. */
  readonly leaseMs?: number;
  /** How long a runner that was told to stop may take, milliseconds; then its job is settled without it. Default 5,000. */
  readonly abortGraceMs?: number;
  /** How often to look for jobs that others enqueued, milliseconds; `null` for never, as with a store of one process. Default `null`. */
  readonly pollMs?: number | null;
  /** Stories kept of jobs that are over. Default 1,024. */
  readonly storiesMax?: number;
  /** Hears of failures of the store and the log, which are counted in any case. Default: nobody. */
  readonly onError?: (error: unknown) => void;
}

/** A job for a service: its input is any value that has a JSON. */
export type JobRequest = Omit<NewJob, "input" | "attemptsMax"> & { readonly input?: unknown };

/** How a service stops. */
export interface JobsShutdownOptions {
  /** How long jobs at work may go on; then they are told to stop, and go back to the queue. Default 10,000 ms. */
  readonly graceMs?: number;
}

/** What became of the jobs that were at work when the service began to stop. */
export interface JobsShutdownReport {
  /** Jobs that were over by themselves: done, failed or cancelled. */
  readonly finished: number;
  /** Jobs that went back to the queue. */
  readonly released: number;
  /** Runners that did not stop when they were told to; their jobs are back in the queue all the same. */
  readonly abandoned: number;
  /** Jobs that wait in the store now. With a store in memory they end with the process. */
  readonly waiting: number;
}

/** Default of `JobsOptions.leaseMs`: longer than any collection of garbage, shorter than people wait for a retry. */
const LEASE_MS = 30_000;
/** Default of `JobsOptions.abortGraceMs`: room to close a connection, not to finish the work. */
const ABORT_GRACE_MS = 5_000;
/** Default of `JobsOptions.storiesMax`: as many as the memory store keeps of jobs that are over. */
const STORIES_MAX = 1_024;
/** Default of `JobsShutdownOptions.graceMs`: well within the 30 s that orchestrators give. */
const GRACE_MS = 10_000;
/** Wait before a store that failed is asked again. */
const STORE_RETRY_MS = 1_000;
/** Topics of the service's own log: those of all jobs of the default store, at work or waiting, and then some. */
const TOPICS_MAX = 65_536;
/** Entries of one story: an hour of progress, or the longest answers of models. */
const EVENTS_MAX = 32_768;
/** Bytes of one story: ten thousand tokens, each an event. */
const TOPIC_BYTES_MAX = 4 * 1024 * 1024;

/**
 * A jobs service.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeEvents, Jobs } from "@sluice/kit/server";
 *
 * await using jobs = new Jobs({
 *   runners: {
 *     shout: {
 *       async run(input, { output }) {
 *         for (const word of String(input).split(" ")) await output(word.toUpperCase());
 *         return "said";
 *       },
 *     },
 *   },
 * });
 * const { job } = await jobs.enqueue({ runner: "shout", input: "hello there" });
 * const story = await jobs.subscribe(new Request("http://localhost/"), job.id);
 * const events = [];
 * for await (const { event, data } of decodeEvents(story.body!)) events.push(event === "output" ? data : event);
 * assertEquals(events, ["queued", "started", "HELLO", "THERE", "done"]);
 * ```
 */
export class Jobs {
  /** Where its jobs are. */
  readonly store: JobStore;
  readonly #runners: Map<string, ResolvedRunner>;
  readonly #stories: JobStories;
  readonly #host: RunHost;
  readonly #pollMs: number | null;
  readonly #onError: (error: unknown) => void;
  readonly #ownTimers: TimerWheel | null;
  readonly #owned: { close(): Promise<void> }[] = [];
  readonly #unwatch: () => void;
  readonly #wake: Timer;
  /** Attempts whose runner is at work, by job; of one job there may be an abandoned one and another. */
  readonly #runs = new Set<JobRun>();
  readonly #byJob = new Map<string, JobRun>();
  /** How many of the attempts have not ended for the store. */
  #unsettled = 0;
  readonly #counters: Map<string, RunnerCounters>;
  readonly #counts = { enqueued: 0, repeated: 0, cancelledQueued: 0, expired: 0, storeFailures: 0 };
  readonly #refused: Record<string, number> = {};
  /** The look that is going on. */
  #looking: Promise<void> | null = null;
  #looksAgain = false;
  /** Whether a lease may be over. */
  #mayExpire = true;
  /** When stories were last compared with what other processes did. */
  #caughtUpMs = -Infinity;
  #isStopping = false;
  #stopped: Promise<JobsShutdownReport> | null = null;
  #onSettled: (() => void) | null = null;
  #finished = 0;
  #released = 0;

  /**
   * Makes a service and begins to look for jobs.
   *
   * @param options runners, store, hub and bounds
   * @throws TypeError for a bad name of a runner; RangeError for a number out of range
   */
  constructor(options: JobsOptions) {
    this.#runners = resolveRunners(options.runners);
    const { leaseMs = LEASE_MS, abortGraceMs = ABORT_GRACE_MS, storiesMax = STORIES_MAX } = options;
    checkLease(leaseMs);
    if (!(abortGraceMs >= 0 && abortGraceMs < Infinity)) {
      throw new RangeError(`Cannot use ${abortGraceMs} as abortGraceMs: a finite number from 0 on is needed`);
    }
    this.#pollMs = options.pollMs ?? null;
    this.#onError = options.onError ?? (() => {});
    this.#counters = new Map(
      [...this.#runners].map(([name, { concurrencyMax }]) => [name, new RunnerCounters(concurrencyMax)]),
    );
    const clock = options.time?.clock ?? new SystemClock();
    this.#ownTimers = options.time === undefined ? new TimerWheel(clock) : null;
    const timers = options.time?.timers ?? this.#ownTimers!;
    this.store = options.store ?? this.#own(new MemoryJobStore({ clock }));
    const hub = options.hub ?? this.#ownHub(clock, timers);
    this.#stories = new JobStories(hub, storiesMax, this.#onError);
    this.#host = {
      store: this.store,
      stories: this.#stories,
      clock,
      timers,
      leaseMs,
      abortGraceMs,
      settled: (run, job) => this.#settled(run, job),
      freed: (run) => this.#freed(run),
      storeFailed: (error) => this.#storeFailed(error),
    };
    this.#wake = timers.idle(() => this.#woke());
    this.#unwatch = this.store.watch(() => this.#look());
    this.#look();
  }

  /** Counters; made anew at each call. */
  get stats(): JobsStats {
    return {
      ...this.#counts,
      refused: { ...this.#refused },
      storyFailures: this.#stories.failures,
      runners: Object.fromEntries(this.#counters),
    };
  }

  /** Names of its runners. */
  get runnerNames(): readonly string[] {
    return [...this.#runners.keys()];
  }

  /**
   * Enqueues a job, unless there is one of its key.
   *
   * @param request runner, input, and how
   * @returns the job, and whether it is new
   * @throws (rejects with) UnknownRunnerError; what the runner's `check` throws; TypeError for an input without a JSON;
   *   JobsStoppingError; what `JobStore.enqueue` throws
   */
  async enqueue(request: JobRequest): Promise<{ readonly job: JobRecord; readonly isNew: boolean }> {
    try {
      const answer = this.store.enqueue(this.#newJob(request));
      const enqueued = answer instanceof Promise ? await answer : answer;
      if (enqueued.isNew) {
        this.#counts.enqueued++;
        this.#stories.begin(enqueued.job);
      } else this.#counts.repeated++;
      return enqueued;
    } catch (error) {
      const code = error instanceof JobError ? error.code : "SLUICE_JOB_BAD_INPUT";
      this.#refused[code] = (this.#refused[code] ?? 0) + 1;
      throw error;
    }
  }

  /** A job; `null` when there is none (any more). */
  async get(id: string): Promise<JobRecord | null> {
    return await this.store.get(id);
  }

  /** Some jobs; see `JobStore.list`. */
  async list(query: JobQuery): Promise<JobPage> {
    return await this.store.list(query);
  }

  /**
   * Cancels a job: one that waits ends at once, one at work is told to stop. Once this has resolved the job becomes
   * nothing but cancelled, unless it was over before.
   *
   * @returns the job as it is now; `null` when there is none
   */
  async cancel(id: string): Promise<JobRecord | null> {
    const job = await this.store.cancel(id);
    if (job?.state === "running" && job.isCancelRequested) this.#byJob.get(id)?.cancel();
    if (job?.state === "cancelled" && this.#stories.end(id, "cancelled", { how: "before start", ranMs: 0 })) {
      this.#counts.cancelledQueued++;
    }
    return job;
  }

  /**
   * Answers a request with a job's story as an event stream, from its beginning or from `Last-Event-ID` on. It ends when the
   * story does; a client that comes back after that is answered 204, which ends its reconnecting.
   *
   * @param request the client's
   * @param id the job
   * @param info what the server tells about the connection
   * @returns the stream; a problem with 404 when there is no such job, or what `EventHub.subscribe` answers
   */
  async subscribe(
    request: Request,
    id: string,
    info?: Parameters<EventHub["subscribe"]>[2],
  ): Promise<Response> {
    return await answerStory(this.store, this.#stories, request, id, info);
  }

  /**
   * Stops: no job is claimed any more; those at work may end within the grace period, then they are told to stop and go back
   * to the queue. Closes what is the service's own. Idempotent.
   */
  shutdown(options: JobsShutdownOptions = {}): Promise<JobsShutdownReport> {
    return this.#stopped ??= this.#stop(options.graceMs ?? GRACE_MS);
  }

  /** Same as `shutdown()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  #own<T extends { close(): Promise<void> }>(owned: T): T {
    this.#owned.push(owned);
    return owned;
  }

  #ownHub(clock: Clock, timers: Timers): EventHub {
    const log = new MemoryLog({
      clock,
      topicsMax: TOPICS_MAX,
      eventsMax: EVENTS_MAX,
      topicBytesMax: TOPIC_BYTES_MAX,
      ageMs: null,
    });
    const hub = this.#own(new EventHub({ log, timers }));
    this.#own(log);
    return hub;
  }

  #newJob({ runner: name, input, ...rest }: JobRequest): NewJob {
    if (this.#isStopping) throw new JobsStoppingError("Cannot enqueue");
    const resolved = this.#runners.get(name);
    if (resolved === undefined) throw new UnknownRunnerError(String(name), this.runnerNames);
    resolved.runner.check?.(input);
    const text: string | undefined = JSON.stringify(input ?? null);
    if (text === undefined) throw new TypeError("Cannot enqueue: the input has no JSON");
    return { ...rest, runner: name, input: text, attemptsMax: resolved.attemptsMax };
  }

  /**
   * Something is due by time. Leases are looked at only then, and not whenever a job comes: when the loop was late, timers run in
   * the order of their deadlines, so the service's own attempts have renewed theirs by now.
   */
  #woke(): void {
    this.#mayExpire = true;
    this.#look();
  }

  /** Looks for jobs, unless somebody does: then once more after that. */
  #look(): void {
    this.#looksAgain = true;
    if (this.#looking !== null || this.#isStopping) return;
    // Later, since the store may tell of a job in the midst of its enqueuing.
    this.#looking = Promise.resolve().then(() => this.#claimAll()).catch((error) => {
      this.#storeFailed(error);
      if (!this.#isStopping) this.#wake.reset(STORE_RETRY_MS);
    }).then(() => {
      this.#looking = null;
      if (this.#looksAgain) this.#look();
    });
  }

  async #claimAll(): Promise<void> {
    const breathe = breather({ clock: this.#host.clock });
    let free: string[] = [];
    while (this.#looksAgain && !this.#isStopping) {
      this.#looksAgain = false;
      if (this.#mayExpire) {
        this.#mayExpire = false;
        for (const job of await this.store.expire()) this.#expired(job);
        await this.#catchUp();
      }
      for (free = this.#freeRunners(); free.length > 0 && !this.#isStopping; free = this.#freeRunners()) {
        const claim = await this.store.claim(free, this.#host.leaseMs);
        if (claim === null) break;
        this.#begin(new JobRun(this.#host, claim, this.#runners.get(claim.job.runner)!));
        await breathe();
      }
    }
    if (this.#isStopping) return;
    const nextMs = await this.store.nextDelayMs(free) ?? Infinity;
    const delayMs = Math.min(nextMs, this.#pollMs ?? Infinity);
    if (delayMs < Infinity) this.#wake.reset(delayMs);
    else this.#wake.cancel();
  }

  /** Tells of jobs that ended in other processes, where there may be some. */
  async #catchUp(): Promise<void> {
    const nowMs = this.#host.clock.now();
    if (this.#pollMs === null || nowMs - this.#caughtUpMs < this.#pollMs) return;
    this.#caughtUpMs = nowMs;
    await this.#stories.catchUp(this.store, (id) => this.#byJob.has(id));
  }

  #freeRunners(): string[] {
    return [...this.#counters].filter(([, { isFree }]) => isFree).map(([name]) => name);
  }

  #begin(run: JobRun): void {
    const counters = this.#counters.get(run.runner.name)!;
    counters.running++;
    counters.wait.add(run.waitedMs);
    this.#runs.add(run);
    this.#unsettled++;
    this.#byJob.set(run.id, run);
    void run.start();
  }

  /** A job was taken from a worker that was silent for too long. */
  #expired(job: JobRecord): void {
    this.#counts.expired++;
    this.#byJob.get(job.id)?.expire();
    this.#stories.begin(job);
    const { id, runner, attempt, failure, state } = job;
    if (state === "failed") this.#stories.end(id, "failed", { ...failure, attempt });
    else if (state === "cancelled") this.#stories.end(id, "cancelled", { how: "abandoned" });
    else {
      const dueAt = new Date(job.dueAtMs).toISOString();
      this.#stories.note(id, "queued", { id, runner, attempt, dueAt, failure });
    }
  }

  #settled(run: JobRun, job: JobRecord | null): void {
    const counters = this.#counters.get(run.runner.name)!;
    const outcome = outcomeOf(job, run);
    counters.outcomes[outcome]++;
    counters.run.add(this.#host.clock.now() - run.startedMs);
    this.#unsettled--;
    if (run.isAbandoned) counters.abandoned++;
    if (this.#byJob.get(run.id) === run) this.#byJob.delete(run.id);
    if (outcome === "released") this.#released++;
    else if (outcome !== "lost") this.#finished++;
    this.#onSettled?.();
  }

  #freed(run: JobRun): void {
    const counters = this.#counters.get(run.runner.name)!;
    counters.running--;
    if (run.isAbandoned) counters.abandoned--;
    this.#runs.delete(run);
    this.#look();
  }

  #storeFailed(error: unknown): void {
    this.#counts.storeFailures++;
    this.#onError(error);
  }

  async #stop(graceMs: number): Promise<JobsShutdownReport> {
    this.#isStopping = true;
    this.#unwatch();
    this.#wake.cancel();
    await this.#looking; // What it has claimed is at work like the rest.
    this.#finished = 0;
    this.#released = 0;
    const { timers } = this.#host;
    await new Promise<void>((resolve) => {
      const grace = timers.after(graceMs, () => {
        for (const run of this.#runs) run.stop(); // those whose claim was lost as well; who is settled does not hear it
      });
      this.#onSettled = () => {
        if (this.#unsettled > 0) return;
        grace.cancel();
        resolve();
      };
      this.#onSettled();
    });
    const waiting = await this.#waiting();
    const abandoned = [...this.#runs].filter(({ isAbandoned }) => isAbandoned).length;
    for (const owned of this.#owned) await owned.close();
    this.#ownTimers?.close();
    return { finished: this.#finished, released: this.#released, abandoned, waiting };
  }

  /** Jobs that wait; 0 when the store cannot say, which is counted. */
  async #waiting(): Promise<number> {
    try {
      return (await this.store.counts()).queued;
    } catch (error) {
      this.#storeFailed(error);
      return 0;
    }
  }
}

function outcomeOf(job: JobRecord | null, run: JobRun): AttemptOutcome {
  if (job === null) return "lost";
  if (job.state === "queued") return run.signal.reason instanceof JobsStoppingError ? "released" : "retried";
  return job.state === "done" || job.state === "failed" || job.state === "cancelled" ? job.state : "lost";
}

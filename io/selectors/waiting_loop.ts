/**
 * The loop of a selector that has an event queue of its own, inside the runtime's loop, fair to both.
 *
 * Idle: it is parked (parking.ts): no timer, no polling; one event wakes it.
 *
 * Busy: it takes a batch, lets the turn end (microtasks run, then what was written is sent), and takes the next, all in one
 * go of the runtime's loop, until nothing is left or its time is up. Then it gives way, in two steps. It parks: the queue is
 * still ready, so that wakes it, but *through* what the runtime waits by, and the runtime has looked at all its own sockets
 * before. (A loop that gives way by `setImmediate` alone, or is ready again at once, sees Deno look at its own sockets only every
 * sixtieth time.) And woken, it lets the runtime go through its loop once before it goes on: Deno calls whom it watches a
 * descriptor for as soon as it has looked, but what its own reads, writes and fetches found in the same look reaches the program
 * a pass later, which would else be after our whole go.
 *
 * When that pass took long the runtime had work of its own, and likely has more: it gets more turns then, up to `GIVEN_TURNS_MAX`.
 * As long as it was so after `SHARED_FROM` of the goes, both share the thread in smaller parts: goes of `SHARED_GO_MS`, and small batches.
 *
 * ```text
 *            signal            batch, end of turn: again while there is more and time is left
 *   parked ─────────→ running ─────────┐
 *     ↑                  │ ↑───────────┘
 *     ├──────────────────┤ nothing left
 *     │                  ↓ time is up
 *     │     parked, signal, a pass of the runtime's loop ─→ running
 * ```
 *
 * Turns: all events of a batch are one turn (see io/selector.ts). What happens outside of batches (a timer writes) opens a
 * turn of its own, which ends the same way.
 *
 * Bounds: a batch is bounded by its source, a go by `GO_MS` plus one batch. Posted calls run once each; what they
 * post runs after the next end of turn.
 *
 * @module
 */
import { afterLoop, afterTurn } from "./native_turn.ts";
import type { Parking } from "./parking.ts";

/** What has events: an epoll, a ring. */
export interface EventSource {
  /**
   * Takes what is ready, at most one batch of it, without waiting, and calls the protocols.
   *
   * @param isShared whether the runtime has work of its own, so that the batch should be a small one: a few requests
   * @returns how many events that were
   */
  dispatch(isShared: boolean): number;
  /** Hands the kernel what this turn has made for it; nothing for who calls the kernel at once. */
  flush(): void;
  /**
   * For sources that know without asking the kernel: whether `dispatch` would take something. Such a source is looked at, and
   * parked again, after every turn.
   */
  readonly isReady?: boolean;
}

/** What a loop goes by. */
export interface WaitingLoopOptions {
  /** Whose events they are. */
  readonly source: EventSource;
  /** Makes the parking of the source's descriptor. */
  readonly park: (onReady: () => void) => Parking;
  /** Monotonic time, milliseconds. */
  readonly now: () => number;
  /** How long one go may take; default `GO_MS`. */
  readonly goMs?: number;
}

/**
 * 0.2 ms: some twenty requests. Long enough that the wake between two goes (about 10 µs) is a twentieth of the work, short
 * enough for the runtime's own sockets to be looked at thousands of times a second.
 */
const GO_MS = 0.2;

/** A sixteenth: what the last sixteen goes or so found says whether the runtime has work of its own. */
const BUSY_DRIFT = 1 / 16;

/**
 * A quarter. What the runtime awaits from nearby comes after every go or every second; a thread that is interrupted or has to
 * give up its core looks the same after one go in ten, and must not halve what the loop does for that.
 */
const SHARED_FROM = 1 / 4;

/** One event is likely the last for now (a client that waits for its answer), and asking again costs a system call. */
const MORE_LIKELY_MIN = 2;

/**
 * The runtime was busy with its own if something took twice the time that it takes when there is nothing to do (which no quiet
 * pass in twenty does, and every one that delivers something).
 */
const BUSY_RATIO = 2;

/** 16 turns at most are given in a row: by then the runtime had as much time as a go has, or wants ever more. */
const GIVEN_TURNS_MAX = 16;

/** How long a pass takes with nothing to do: 10 µs to begin with. */
const QUIET_PASS_FIRST_MS = 0.01;

/** How long we are away with nothing to do: 30 µs to begin with. */
const QUIET_AWAY_FIRST_MS = 0.03;

/** A 64th of what it took longer. */
const QUIET_DRIFT = 1 / 64;

/** How long something takes when the runtime has nothing to do: the shortest seen, and slowly forgotten. */
class QuietTime {
  #ms: number;

  constructor(firstMs: number) {
    this.#ms = firstMs;
  }

  /** Whether it took so long this time that the runtime must have been busy. */
  isLong(ms: number): boolean {
    const quietMs = this.#ms;
    this.#ms += (ms - quietMs) * (ms < quietMs ? 1 : QUIET_DRIFT);
    return ms > quietMs * BUSY_RATIO;
  }
}

/** See the module's text. */
export class WaitingLoop {
  readonly #source: EventSource;
  readonly #parking: Parking;
  readonly #now: () => number;
  readonly #goMs: number;
  readonly #onTurnEnd: () => void = () => this.#endTurn();
  readonly #onWakeRead: () => void = () => {
    this.#isLooping = false;
    if (!this.#isClosed) this.#parking.park();
  };
  readonly #onDelivered: () => void = () => {
    this.#isLooping = false;
    this.#go(true);
  };
  #endOfTurn: (() => void) | null = null;
  #posted: (() => void)[] = [];
  #isTurnOpen = false;
  #isRunning = false;
  #isClosed = false;
  #startedMs = 0;
  #lastCount = 0;
  #isGivingWay = false;
  /** Whether the runtime goes through its loop for us: `#onWakeRead` or `#onDelivered` comes. */
  #isLooping = false;
  /** Whether the runtime has read the last wake to its end, so that the next may be given at once; see `afterLoop`. */
  #isWakeRead = false;
  #wokenMs = 0;
  #gaveWayMs = 0;
  /** How long the pass of the runtime's loop takes that it is given when we are woken. */
  readonly #pass = new QuietTime(QUIET_PASS_FIRST_MS);
  /** The same from when we gave way, with what the runtime does before it wakes us. */
  readonly #away = new QuietTime(QUIET_AWAY_FIRST_MS);
  #givenTurns = 0;
  /** Share of the goes after which the runtime was busy, of late. */
  #busyShare = 0;
  #holds = 0;

  /** Parks at once. */
  constructor({ source, park, now, goMs = GO_MS }: WaitingLoopOptions) {
    this.#source = source;
    this.#now = now;
    this.#goMs = goMs;
    this.#parking = park(() => this.#wake());
    this.#parking.park();
  }

  /** How it sleeps, for logs. */
  get how(): string {
    return this.#parking.how;
  }

  /** Runs a function once when the present turn ends: what a `TransportHub` asks for. One at a time. */
  afterTurn(run: () => void): void {
    this.#endOfTurn = run;
    this.openTurn();
  }

  /** Something waits for the end of the turn: there will be one. Idempotent. */
  openTurn(): void {
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    afterTurn(this.#onTurnEnd);
  }

  /** Runs a function from a dispatch of its own, after the present turn. */
  post(run: () => void): void {
    this.#posted.push(run);
    this.openTurn();
  }

  /** Keeps the process alive, until it is released as often. */
  hold(): void {
    if (this.#holds++ === 0) this.#parking.ref();
  }

  /** Undoes one `hold`. */
  release(): void {
    if (--this.#holds === 0) this.#parking.unref();
  }

  /** Ends it. What was posted still runs. Resolves when nothing of it is left. Call it once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#parking.close();
  }

  /** The queue is ready. If that is so since before, what else the runtime has found goes first. */
  #wake(): void {
    if (this.#isLooping) return;
    if (!this.#isGivingWay) return this.#go(false);
    this.#isLooping = true;
    this.#wokenMs = this.#now();
    afterLoop(this.#onDelivered);
  }

  #go(isWakeRead: boolean): void {
    if (this.#isClosed || this.#isRunning) return;
    this.#isWakeRead = isWakeRead;
    const now = this.#now();
    const isBusy = isWakeRead && this.#pass.isLong(now - this.#wokenMs);
    if (this.#givenTurns === 0) this.#busyShare += ((isBusy ? 1 : 0) - this.#busyShare) * BUSY_DRIFT;
    const wasLongAway = isWakeRead && this.#away.isLong(now - this.#gaveWayMs);
    if ((isBusy || wasLongAway) && this.#givenTurns < GIVEN_TURNS_MAX) return this.#giveWay();
    this.#givenTurns = 0;
    this.#isGivingWay = false;
    this.#isRunning = true;
    this.#startedMs = now;
    this.#step();
  }

  get #isShared(): boolean {
    return this.#busyShare > SHARED_FROM;
  }

  /** The queue is still ready: parks to come back as soon as the runtime has looked at everything else. */
  #giveWay(): void {
    this.#givenTurns = this.#isGivingWay ? this.#givenTurns + 1 : 0;
    this.#isGivingWay = true;
    this.#gaveWayMs = this.#now();
    if (this.#isWakeRead) return this.#parking.park();
    this.#isLooping = true;
    afterLoop(this.#onWakeRead);
  }

  #step(): void {
    this.#lastCount = this.#source.dispatch(this.#isShared);
    if (this.#lastCount > 0) this.openTurn();
    else if (!this.#isTurnOpen) this.#rest();
  }

  #endTurn(): void {
    this.#isTurnOpen = false;
    const run = this.#endOfTurn;
    this.#endOfTurn = null;
    run?.();
    if (this.#posted.length > 0) {
      const posted = this.#posted;
      this.#posted = [];
      for (const call of posted) call();
    }
    this.#source.flush();
    if (this.#isTurnOpen) return;
    const { isReady } = this.#source;
    if (!this.#isRunning) return isReady === undefined ? undefined : this.#lookAgain();
    const isMoreLikely = isReady ?? this.#lastCount >= MORE_LIKELY_MIN;
    if (!isMoreLikely || this.#isClosed) return this.#rest();
    if (!this.#isShared && this.#now() - this.#startedMs < this.#goMs) return this.#step();
    this.#isRunning = false;
    this.#giveWay();
  }

  /** A turn outside of goes may have made the source ready, and its flush has ended the parking. */
  #lookAgain(): void {
    if (this.#isLooping || this.#isClosed) return;
    if (this.#isGivingWay) this.#parking.park();
    else this.#go(false);
  }

  #rest(): void {
    this.#isRunning = false;
    if (!this.#isClosed) this.#parking.park();
  }
}

/**
 * Stands in for the published `@std/testing/time`: a clock that a test moves by hand.
 *
 * Strategy: replaces `Date`, `setTimeout`, `clearTimeout`, `setInterval`, `clearInterval` and `AbortSignal.timeout`
 * until restored, with the same names, signatures and failures as the published 1.x package.
 * Known limit: no automatic advancing (`advanceRate`).
 *
 * @module
 */

/** A wrong use of the fake clock. */
export class TimeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TimeError";
  }
}

interface FakeTimer {
  readonly id: number;
  readonly callback: (...args: unknown[]) => void;
  readonly args: readonly unknown[];
  /** Milliseconds between two calls; `undefined` for a timer that fires once. */
  readonly everyMs: number | undefined;
  /** When it fires next, in fake milliseconds since 1970. */
  dueMs: number;
}

const RealDate = Date;
const real = {
  Date,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};
const realSignalTimeout = AbortSignal.timeout;

/** The instance that owns the globals: there can be one at a time. */
let current: FakeTime | undefined;

function setGlobals(globals: typeof real, signalTimeout: typeof AbortSignal.timeout): void {
  Object.assign(globalThis, globals);
  AbortSignal.timeout = signalTimeout;
}

/** A fake clock: time stands still until the test moves it. */
export class FakeTime {
  readonly #startMs: number;
  #nowMs: number;
  #lastId = 0;
  readonly #timers = new Map<number, FakeTimer>();
  readonly #fakes: typeof real;

  /** Takes the globals over. Starts at `start`, or at the real time. */
  constructor(start?: number | string | Date | null) {
    if (current) throw new TimeError("Cannot construct FakeTime: time is already faked");
    this.#startMs = start === undefined || start === null ? RealDate.now() : new RealDate(start).valueOf();
    if (Number.isNaN(this.#startMs)) {
      throw new TimeError(`Cannot construct FakeTime: invalid start: ${start}`);
    }
    this.#nowMs = this.#startMs;
    this.#fakes = this.#makeFakes();
    current = this;
    this.#install();
  }

  /** Runs a callback in real time, then goes back to fake time. */
  static async restoreFor<T>(
    // deno-lint-ignore no-explicit-any
    callback: (...args: any[]) => Promise<T> | T,
    // deno-lint-ignore no-explicit-any
    ...args: any[]
  ): Promise<T> {
    const faked = current;
    if (!faked) throw new TimeError("Cannot restore time: time is not faked");
    setGlobals(real, realSignalTimeout);
    try {
      return await callback(...args);
    } finally {
      if (current === faked) faked.#install();
    }
  }

  /** Gives the globals back. */
  static restore(): void {
    if (!current) throw new TimeError("Cannot restore time: already restored");
    current.restore();
  }

  /** The fake time in milliseconds since 1970; setting it fires what falls due on the way. */
  get now(): number {
    return this.#nowMs;
  }
  set now(value: number) {
    if (value < this.#nowMs) throw new RangeError(`Cannot set the current time in the past: ${value}`);
    for (let timer = this.#earliest(); timer && timer.dueMs <= value; timer = this.#earliest()) {
      this.#nowMs = timer.dueMs;
      if (timer.everyMs === undefined) this.#timers.delete(timer.id);
      else timer.dueMs += timer.everyMs;
      timer.callback(...timer.args);
    }
    this.#nowMs = value;
  }

  /** The time the clock started at. */
  get start(): number {
    return this.#startMs;
  }

  /** Moves the clock on by `ms` milliseconds. */
  tick(ms = 0): void {
    this.now += ms;
  }

  /** Lets what is already under way run, then moves the clock on by `ms` milliseconds. */
  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.now += ms;
  }

  /** Moves the clock to the next timer; tells whether there was one. */
  next(): boolean {
    const timer = this.#earliest();
    if (timer) this.now = timer.dueMs;
    return timer !== undefined;
  }

  /** Lets what is already under way run, then moves the clock to the next timer. */
  async nextAsync(): Promise<boolean> {
    await this.runMicrotasks();
    return this.next();
  }

  /** Moves the clock from timer to timer until none is left. */
  runAll(): void {
    while (this.next());
  }

  /** As `runAll`, letting what is under way run before each timer. */
  async runAllAsync(): Promise<void> {
    while (await this.nextAsync());
  }

  /** Lets every promise that is already settled run its callbacks. */
  async runMicrotasks(): Promise<void> {
    await this.delay(0);
  }

  /** Waits `ms` milliseconds of real time. */
  async delay(ms: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => {
        real.clearTimeout.call(globalThis, timer);
        reject(signal?.reason);
      };
      const timer = real.setTimeout.call(globalThis, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Gives the globals back. */
  restore(): void {
    if (current !== this) throw new TimeError("Cannot restore time: already restored");
    current = undefined;
    setGlobals(real, realSignalTimeout);
  }

  /** Gives the globals back, for `using`. */
  [Symbol.dispose](): void {
    if (current === this) this.restore();
  }

  #earliest(): FakeTimer | undefined {
    let earliest: FakeTimer | undefined;
    for (const timer of this.#timers.values()) {
      if (!earliest || timer.dueMs < earliest.dueMs) earliest = timer; // the first set wins a tie
    }
    return earliest;
  }

  #set(callback: FakeTimer["callback"], ms: number, args: readonly unknown[], repeats: boolean): number {
    const waitMs = Math.max(repeats ? 1 : 0, Math.floor(Number(ms) || 0));
    const id = ++this.#lastId;
    const everyMs = repeats ? waitMs : undefined;
    this.#timers.set(id, { id, callback, args, everyMs, dueMs: this.#nowMs + waitMs });
    return id;
  }

  #makeFakes(): typeof real {
    const nowMs = () => this.#nowMs;
    class FakeDate extends RealDate {
      constructor(...args: unknown[]) {
        super(...((args.length === 0 ? [nowMs()] : args) as [number]));
      }
      static override now(): number {
        return nowMs();
      }
    }
    const clear = (id?: unknown) => void this.#timers.delete(Number(id));
    const set = (repeats: boolean) => (callback: FakeTimer["callback"], ms = 0, ...args: unknown[]) =>
      this.#set(callback, ms, args, repeats);
    return {
      Date: FakeDate as DateConstructor,
      setTimeout: set(false) as unknown as typeof setTimeout,
      clearTimeout: clear as unknown as typeof clearTimeout,
      setInterval: set(true) as unknown as typeof setInterval,
      clearInterval: clear as unknown as typeof clearInterval,
    };
  }

  #install(): void {
    setGlobals(this.#fakes, (ms) => {
      const expired = new AbortController();
      const reason = new DOMException("Signal timed out.", "TimeoutError");
      this.#set(() => expired.abort(reason), ms, [], false);
      return expired.signal;
    });
  }
}

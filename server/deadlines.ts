/**
 * How long a server waits, phase by phase, and the one timer on which a connection's deadlines stand.
 *
 * Strategy: phases differ in what is normal (a client may rest between requests but not in the middle of a header), so
 * each has its own time, its own answer and its own counter. A connection has up to four deadlines at once, one per
 * slot: what it waits for from the peer (`read`), for the handler (`handler`), for the peer to take bytes (`write`),
 * and for the whole request (`total`). All four share one `Timer`: setting a deadline is a store and a comparison,
 * the timer is re-armed only when one becomes earlier than it, and when it fires too early it is simply set again. What
 * passed while the event loop stood still is put off by some turns, so that what had arrived in time is read first.
 *
 * @module
 */
import type { Clock, Timer, Timers } from "../io/selector.ts";

/** How long a server waits, milliseconds; `null` switches a deadline off. See each for default, reason and answer. */
export interface ServeDeadlines {
  /** For the PROXY header, where one is due; then the connection is reset. Default 5,000: the proxy sends it at once. */
  readonly preludeMs?: number | null;
  /** For the first byte of a connection's first request; then it is closed. Default 30,000: browsers connect ahead. */
  readonly firstByteMs?: number | null;
  /**
   * From a head's first byte to its last; then 408. Default 10,000: a head fits a few packets, and slow-header attacks live
   * on this being long. More bytes do not extend it.
   */
  readonly headMs?: number | null;
  /** For the next bytes of a request body, while the handler takes them; then 408. Default 30,000: a mobile link's hiccup. */
  readonly bodyIdleMs?: number | null;
  /**
   * Bytes a second a request body must come at, over any 5 seconds in which the handler takes them; else 408. Default 240, a modem's
   * rate: what drips slower is an attack. The unit is bytes, not milliseconds; it stands here because it is a deadline.
   */
  readonly bodyBytesPerSecondMin?: number | null;
  /**
   * For the handler's response to begin, counted from the head or the last piece of the body that came; then 503 and
   * `info.disconnected` aborts, for nobody waits for the answer any more. Default 300,000: answers of models that
   * are not streamed take minutes.
   */
  readonly handlerMs?: number | null;
  /**
   * For the peer to take any byte of what waits to be sent; then the connection is reset, up to 5 s later, but not later than after
   * twice the time (it is not taken at every byte). Default 60,000: on `native`, and on Unix sockets, all that is known is that our
   * system has room again, which it tells of large buffers by the third, and a slow but honest reader takes half a minute for that.
   */
  readonly writeStallMs?: number | null;
  /**
   * Bytes a second that the peer must take, over any half minute and more in which bytes wait for it; else the connection is reset.
   * Who keeps up with a stream, however little comes, is never slow. Default 240, as for bodies: what drips slower is an attack.
   * Measured is what the peer's system confirms, or on `native` what ours takes, which buffers up to some MiB, both in steps: who takes less than three quarters of
   * the rate is cut, who takes twice the rate never, whatever the steps (`write_rate.ts`). Who takes nothing at all is up to
   * `writeStallMs`; without that, the time is that for 4 MiB. The unit is bytes, not milliseconds.
   */
  readonly writeBytesPerSecondMin?: number | null;
  /** For the next request on a kept connection; then it is closed. Default 75,000: longer than load balancers' usual 60 s, so that they close first. */
  readonly keepAliveMs?: number | null;
  /**
   * For a whole request, from its head until the system has taken the response's last byte; then the connection is reset, and with it
   * what waits behind. Default `null`: streams are legal.
   */
  readonly totalMs?: number | null;
  /** For the peer to close after a response that ends the connection, or our end of an idle one; then it is closed for it. Default 2,000: some round trips. */
  readonly lingerMs?: number;
}

/** `ServeDeadlines` with every value there; `Infinity` for those switched off, 0 for a minimum rate switched off. */
export type ResolvedDeadlines = { readonly [Name in keyof ServeDeadlines]-?: number };

/** The defaults; the reasons stand at `ServeDeadlines`. */
export const SERVE_DEADLINES_DEFAULT: ResolvedDeadlines = Object.freeze({
  preludeMs: 5_000,
  firstByteMs: 30_000,
  headMs: 10_000,
  bodyIdleMs: 30_000,
  bodyBytesPerSecondMin: 240,
  handlerMs: 300_000,
  writeStallMs: 60_000,
  writeBytesPerSecondMin: 240,
  keepAliveMs: 75_000,
  totalMs: Infinity,
  lingerMs: 2_000,
});

/** Those that are rates, not times. */
const RATES: ReadonlySet<string> = new Set(["bodyBytesPerSecondMin", "writeBytesPerSecondMin"]);

/** The minimum rate of bodies is judged over this long: a body may pause for a moment, as a link does that changes cells. */
export const BODY_RATE_WINDOW_MS = 5_000;

/**
 * Checks deadlines and fills in the defaults.
 *
 * @param deadlines what the caller set, milliseconds
 * @throws RangeError for a value that is not a positive finite number
 * @throws TypeError for a name that is no deadline, or `null` for `lingerMs`
 */
export function resolveDeadlines(deadlines: ServeDeadlines = {}): ResolvedDeadlines {
  const resolved: Record<string, number> = { ...SERVE_DEADLINES_DEFAULT };
  for (const [name, value] of Object.entries(deadlines)) {
    if (!Object.hasOwn(resolved, name)) {
      throw new TypeError(`Cannot set the deadline "${name}": there is none of that name`);
    }
    if (value === undefined) continue;
    resolved[name] = resolveDeadline(name, value);
  }
  return resolved as ResolvedDeadlines;
}

function resolveDeadline(name: string, value: number | null): number {
  if (value === null) {
    if (name === "lingerMs") {
      throw new TypeError(`Cannot set the deadline "${name}" to null: it cannot be switched off`);
    }
    return RATES.has(name) ? 0 : Infinity;
  }
  if (typeof value !== "number" || !(value > 0 && value < Infinity)) {
    throw new RangeError(`Cannot set the deadline "${name}" to ${value}: a positive finite number is needed`);
  }
  return value;
}

/** Which of a connection's deadlines passed. */
export type DeadlineSlot = "read" | "handler" | "write" | "total";

/** Hears of deadlines that passed. */
export interface DeadlineOwner {
  /** The deadline of `slot` passed; the slot is empty now. */
  slotPassed(slot: DeadlineSlot, now: number): void;
}

/** A timer that fires later than this was held up: the wheel is some milliseconds late at most when the event loop runs freely. */
const LATE_MS = 100;

/** How long what passed while the event loop stood still is put off: some turns, in which the sockets are read. */
const REPRIEVE_MS = 20;

/** Reprieves in a row. With more, an event loop that is always late would switch all deadlines off. */
const REPRIEVES_MAX = 3;

/**
 * The deadlines of one connection, on one timer. Times are the clock's; `Infinity` is none.
 *
 * When the event loop stood still (a handler blocked it, the machine slept), timers fire before anything is read, and
 * clients would be cut whose bytes have long been there. So a timer that fires late puts its deadlines off, a little.
 */
export class DeadlineSet {
  #read = Infinity;
  #handler = Infinity;
  #write = Infinity;
  #total = Infinity;
  /** When the timer fires; at most the earliest deadline. */
  #armed = Infinity;
  #reprieves = 0;
  readonly #timer: Timer;
  readonly #clock: Clock;
  readonly #owner: DeadlineOwner;

  /** @param owner told of a slot whose deadline passed */
  constructor(timers: Timers, clock: Clock, owner: DeadlineOwner) {
    this.#clock = clock;
    this.#owner = owner;
    this.#timer = timers.idle(() => this.#fire());
  }

  /** What is awaited from the peer. */
  get read(): number {
    return this.#read;
  }
  set read(at: number) {
    this.#read = at;
    if (at < this.#armed) this.#arm(at);
  }

  /** The handler's response. */
  get handler(): number {
    return this.#handler;
  }
  set handler(at: number) {
    this.#handler = at;
    if (at < this.#armed) this.#arm(at);
  }

  /** The peer taking bytes. */
  get write(): number {
    return this.#write;
  }
  set write(at: number) {
    this.#write = at;
    if (at < this.#armed) this.#arm(at);
  }

  /** The end of the request. */
  get total(): number {
    return this.#total;
  }
  set total(at: number) {
    this.#total = at;
    if (at < this.#armed) this.#arm(at);
  }

  /** Takes all deadlines away and disarms the timer. */
  clear(): void {
    this.#read =
      this.#handler =
      this.#write =
      this.#total =
      this.#armed =
        Infinity;
    this.#timer.cancel();
  }

  #arm(at: number): void {
    const now = this.#clock.now();
    this.#armed = Math.max(at, now);
    this.#timer.reset(this.#armed - now);
  }

  #fire(): void {
    const now = this.#clock.now();
    const isLate = now - this.#armed > LATE_MS && this.#reprieves < REPRIEVES_MAX;
    this.#armed = Infinity;
    if (isLate) {
      this.#reprieves++;
      return this.#arm(now + REPRIEVE_MS);
    }
    this.#reprieves = 0;
    if (this.#read <= now) this.#pass("read", now);
    if (this.#handler <= now) this.#pass("handler", now);
    if (this.#write <= now) this.#pass("write", now);
    if (this.#total <= now) this.#pass("total", now);
    const next = Math.min(this.#read, this.#handler, this.#write, this.#total);
    if (next < this.#armed) this.#arm(next);
  }

  #pass(slot: DeadlineSlot, now: number): void {
    if (slot === "read") this.#read = Infinity;
    else if (slot === "handler") this.#handler = Infinity;
    else if (slot === "write") this.#write = Infinity;
    else this.#total = Infinity;
    this.#owner.slotPassed(slot, now);
  }
}

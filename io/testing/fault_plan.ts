/**
 * What goes wrong in a memory network, all of it decided by one seed.
 *
 * Strategy: the seed picks a *style* for each direction of each connection (how reads and writes are split, how often
 * things stall, whether and where the connection is reset), and then each single decision. Every direction has its own
 * generator, derived from the seed, the connection's number and the direction, so that what happens on one connection
 * does not depend on how much another one was used.
 *
 * A plan without resets changes nothing that a program may rely on: bytes arrive, whole and in order, whatever the
 * splits and stalls. With resets, a program must end its business with an error, and never take a part for the whole.
 *
 * @module
 */
import { Prng } from "./prng.ts";

/** Most turns a stall lasts: long enough for everything else to run past it. */
const STALL_TURNS_MAX = 20;

/** A connection that is to be reset is reset within its first 64 KiB: about as much as tests send. */
const RESET_AFTER_BYTES_MAX = 64 * 1024;

/** One connection in four is reset, when resets are on: enough go through for the rest of a test to be tested. */
const RESET_CHANCE = 0.25;

/** How bytes are split: not at all, at sizes from 1 on, or one by one. */
type SplitStyle = "whole" | "skewed" | "single";

/** What one direction of one connection does. */
export interface PipeFaults {
  /** At most how many of `available` bytes one write is allowed to hand over; at least 1. */
  writeBytes(available: number): number;
  /** At most how many of `available` bytes one read finds; at least 1. */
  readBytes(available: number): number;
  /** For how many turns the next delivery is held back; usually 0. */
  stallTurns(): number;
  /** Whether sends are held and go out bit by bit, as by a selector that completes later, instead of at once. */
  readonly holdsSends: boolean;
  /** After how many bytes the connection is reset; `null` for never. */
  readonly resetAfterBytes: number | null;
  /** What this direction does, for a failure's message. */
  describe(): string;
}

/** What may go wrong. */
export interface FaultPlanOptions {
  /** Whether connections are reset. Default false. */
  readonly resets?: boolean;
  /** Whether deliveries and closes are held back for some turns. Default true. */
  readonly stalls?: boolean;
}

/** Direction of a pipe: from who connected, or from who accepted. */
export type Direction = "fromClient" | "fromServer";

/**
 * A seeded plan of faults for a `MemorySelector`.
 *
 * @example
 * ```ts
 * import { FaultPlan, MemorySelector } from "@sluice/kit/testing";
 *
 * await using selector = new MemorySelector({ faults: FaultPlan.fromSeed(42, { resets: true }) });
 * ```
 */
export class FaultPlan {
  /** The seed everything follows from; `null` for the plan without faults. */
  readonly seed: number | null;
  readonly #resets: boolean;
  readonly #stalls: boolean;

  private constructor(seed: number | null, options: FaultPlanOptions) {
    this.seed = seed;
    this.#resets = options.resets ?? false;
    this.#stalls = options.stalls ?? true;
  }

  /** Nothing goes wrong: whole reads and writes, no stalls. */
  static none(): FaultPlan {
    return new FaultPlan(null, { stalls: false });
  }

  /**
   * The plan of a seed.
   *
   * @param seed any integer
   * @param options what may go wrong
   * @throws RangeError when the seed is no integer
   */
  static fromSeed(seed: number, options: FaultPlanOptions = {}): FaultPlan {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`Cannot make a fault plan: ${seed} is no integer`);
    return new FaultPlan(seed, options);
  }

  /**
   * What one direction of a connection does.
   *
   * @param connection number of the connection in its network, from 0
   * @param direction which of its two directions
   */
  forPipe(connection: number, direction: Direction): PipeFaults {
    if (this.seed === null) return WITHOUT_FAULTS;
    const prng = Prng.derive(this.seed, connection, direction === "fromClient" ? 0 : 1);
    return new SeededPipeFaults(prng, this.#resets, this.#stalls);
  }

  /** The plan in words, with what is needed to have it again. */
  describe(): string {
    if (this.seed === null) return "no faults";
    const first = (["fromClient", "fromServer"] as const)
      .map((direction) => `${direction}: ${this.forPipe(0, direction).describe()}`).join("; ");
    return `faults of seed ${this.seed} (resets ${this.#resets}, stalls ${this.#stalls}); connection 0 ${first}`;
  }
}

const WITHOUT_FAULTS: PipeFaults = {
  writeBytes: (available) => available,
  readBytes: (available) => available,
  stallTurns: () => 0,
  holdsSends: false,
  resetAfterBytes: null,
  describe: () => "whole",
};

class SeededPipeFaults implements PipeFaults {
  readonly holdsSends: boolean;
  readonly resetAfterBytes: number | null;
  readonly #prng: Prng;
  readonly #writeStyle: SplitStyle;
  readonly #readStyle: SplitStyle;
  readonly #stallChance: number;

  constructor(prng: Prng, resets: boolean, stalls: boolean) {
    this.#prng = prng;
    this.#writeStyle = drawStyle(prng);
    this.#readStyle = drawStyle(prng);
    this.#stallChance = stalls && prng.chance(0.5) ? prng.next() / 2 : 0;
    this.holdsSends = prng.chance(1 / 3);
    this.resetAfterBytes = resets && prng.chance(RESET_CHANCE)
      ? prng.skewed(RESET_AFTER_BYTES_MAX) - 1
      : null;
  }

  writeBytes(available: number): number {
    return split(this.#prng, this.#writeStyle, available);
  }

  readBytes(available: number): number {
    return split(this.#prng, this.#readStyle, available);
  }

  stallTurns(): number {
    return this.#prng.chance(this.#stallChance) ? this.#prng.integer(1, STALL_TURNS_MAX) : 0;
  }

  describe(): string {
    const reset = this.resetAfterBytes === null ? "no reset" : `reset after ${this.resetAfterBytes} bytes`;
    const stall = `${(this.#stallChance * 100).toFixed(0)} % stalls`;
    const writes = `${this.#writeStyle}${this.holdsSends ? ", held" : ""}`;
    return `writes ${writes}, reads ${this.#readStyle}, ${stall}, ${reset}`;
  }
}

function drawStyle(prng: Prng): SplitStyle {
  const draw = prng.next();
  if (draw < 0.3) return "whole";
  return draw < 0.9 ? "skewed" : "single";
}

function split(prng: Prng, style: SplitStyle, available: number): number {
  if (style === "whole") return available;
  return style === "single" ? 1 : prng.skewed(available);
}

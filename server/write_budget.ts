/**
 * One bound for all response bytes that wait in a process, and who is cut when it is reached.
 *
 * Strategy: what the kernel takes away is not announced byte by byte, so the exact sum is not known at every moment.
 * Writes add to an estimate that only rises; when it passes the bound, the connections that wrote since are asked how
 * much they really hold, which makes the sum exact again. Only if that is too much are connections cut: those whose
 * reader has stalled longest first, then those that hold most, until the rest fits.
 *
 * Invariants: every member with bytes waiting is listed. The bound is exceeded by a sixty-fourth of itself at most (and
 * one write), so that counting again costs little even when the sum stays close to the bound.
 *
 * @module
 */

/** A connection, as the budget sees it. */
export interface BudgetMember {
  /** Bytes it holds for its reader now. */
  readonly bufferedBytes: number;
  /** Since when its reader takes too little, by the clock; `Infinity` when it does not stall. */
  readonly stalledSinceMs: number;
  /** Cuts the connection. */
  shed(): void;
}

/** The least that is written between two countings, as a part of the bound. */
const COUNT_EVERY_PART = 1 / 64;

/** One member's place in the budget. */
export class BudgetEntry {
  readonly #budget: WriteBudget;
  /** Whose place it is. */
  readonly member: BudgetMember;
  /** Whether the member may hold bytes. */
  isListed = false;

  /** Made by `WriteBudget.join`. */
  constructor(budget: WriteBudget, member: BudgetMember) {
    this.#budget = budget;
    this.member = member;
  }

  /** The member wrote `bytes`; it, or others, may be cut from within this call. */
  wrote(bytes: number): void {
    this.#budget.wrote(this, bytes);
  }

  /** The member is gone. */
  leave(): void {
    this.#budget.leave(this);
  }
}

/** The bound and those under it. A server has its own; several may share one. */
export class WriteBudget {
  /** Bytes that may wait in all; `Infinity` for no bound. */
  readonly bytesMax: number;
  #estimate = 0;
  #countAt: number;
  readonly #entries: Set<BudgetEntry> = new Set();

  /**
   * Makes a budget of which nothing is used.
   *
   * @param bytesMax bytes that may wait in all, above 0; `Infinity` for no bound
   * @throws RangeError for anything else
   */
  constructor(bytesMax: number) {
    if (!(bytesMax > 0)) {
      throw new RangeError(`Cannot bound the bytes that wait by ${bytesMax}: a positive number is needed`);
    }
    this.bytesMax = bytesMax;
    this.#countAt = bytesMax;
  }

  /** Gives `member` its place. */
  join(member: BudgetMember): BudgetEntry {
    return new BudgetEntry(this, member);
  }

  /** Counts what waits now. */
  count(): number {
    let sum = 0;
    for (const entry of this.#entries) {
      const bytes = entry.member.bufferedBytes;
      if (bytes === 0) this.#unlist(entry);
      sum += bytes;
    }
    this.#estimate = sum;
    this.#countAt = Math.max(this.bytesMax, sum + this.bytesMax * COUNT_EVERY_PART);
    return sum;
  }

  /** See `BudgetEntry.wrote`. */
  wrote(entry: BudgetEntry, bytes: number): void {
    if (!entry.isListed) {
      entry.isListed = true;
      this.#entries.add(entry);
    }
    this.#estimate += bytes;
    if (this.#estimate > this.#countAt) this.#bound();
  }

  /** See `BudgetEntry.leave`. */
  leave(entry: BudgetEntry): void {
    if (entry.isListed) this.#unlist(entry);
  }

  #unlist(entry: BudgetEntry): void {
    entry.isListed = false;
    this.#entries.delete(entry);
  }

  #bound(): void {
    let sum = this.count();
    if (sum <= this.bytesMax) return;
    const members = Array.from(this.#entries, (entry) => ({
      member: entry.member,
      bytes: entry.member.bufferedBytes,
      since: entry.member.stalledSinceMs,
    }));
    members.sort((a, b) => a.since < b.since ? -1 : a.since > b.since ? 1 : b.bytes - a.bytes);
    for (const { member, bytes } of members) {
      if (sum <= this.bytesMax) break;
      sum -= bytes;
      member.shed();
    }
    this.#estimate = sum;
    this.#countAt = Math.max(this.bytesMax, sum + this.bytesMax * COUNT_EVERY_PART);
  }
}

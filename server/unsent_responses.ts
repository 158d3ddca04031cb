/**
 * The responses of one connection that are written to their end, while the system has not taken all of them yet.
 *
 * A response is over when its last byte is the system's: until then its time runs (`totalMs`), and a server that stops has not
 * finished it. When the connection ends otherwise, those that are left were cut, all of them.
 *
 * Strategy: kept only while somebody asks (a bound on whole requests is set, or the server stops). Nobody tells when bytes are taken,
 * so those that are gone are dropped whenever one is added or asked for.
 *
 * Known limit: where a send is the runtime's (`native`), up to 256 KiB count as not taken until all of them are.
 *
 * Invariants: in the order of their ends. Each holds bytes that wait, which is what bounds their number.
 *
 * @module
 */

/** As what a response was counted while the server stops; `null` when it was not. */
export type StopCount = "ended" | "finished" | null;

/** One of them. */
interface Unsent {
  readonly endOffset: number;
  readonly startedMs: number;
  readonly count: StopCount;
}

/** See the module's text. */
export class UnsentResponses {
  readonly #responses: Unsent[] = [];

  /**
   * Adds one that is written to its end now.
   *
   * @param endOffset bytes written on the connection up to its end @param startedMs when its request came
   * @param count as what it was counted
   */
  add(endOffset: number, startedMs: number, count: StopCount): void {
    this.#responses.push({ endOffset, startedMs, count });
  }

  /** So many bytes were taken. */
  taken(bytes: number): void {
    while (this.#responses.length > 0 && this.#responses[0]!.endOffset <= bytes) this.#responses.shift();
  }

  /** When the oldest request among them came; `Infinity` when there is none. */
  get oldestStartedMs(): number {
    return this.#responses[0]?.startedMs ?? Infinity;
  }

  /** Whether a stream is among them that ended because the server stops. */
  get hasEndedStream(): boolean {
    return this.#responses.some(({ count }) => count === "ended");
  }

  /** Takes them all out, and tells as what each was counted. */
  takeCounts(): StopCount[] {
    return this.#responses.splice(0).map(({ count }) => count);
  }
}

/**
 * What the HTTP torture keeps count of, and what it found wrong.
 *
 * @module
 */

/** One call of a handler. */
export interface Call {
  readonly id: number;
  readonly kind: string;
  /** What became of `info.completed`. */
  completed: "pending" | "resolved" | "rejected";
  /** Why it was rejected. */
  reason: unknown;
  /** Whether `info.trailers` has settled. */
  hasTrailers: boolean;
  isDisconnected: boolean;
}

/** An error that a handler throws on purpose. */
export class DeliberateError extends Error {}

/** See the module's text. */
export class Ledger {
  readonly faults: string[] = [];
  /** Bodies that were begun and neither ended nor were cancelled. */
  readonly openBodies = new Set<{ readonly name: string }>();
  /** Calls on the server that is asked. */
  readonly calls = new Map<number, Call>();
  /** Requests whose response came whole to a client that did nothing else before. */
  readonly delivered: number[] = [];
  /** Whether the server that is asked was told to stop. */
  isStopping = false;
  /** Whether what still ends is ended by force. */
  isOver = false;
  /** Handlers that have not returned. */
  running = 0;
  nextId = 1;
  complete = 0;
  incomplete = 0;
  bytes = 0;

  /** A body begins; returns what ends it. */
  begin(name: string): () => void {
    const body = { name };
    this.openBodies.add(body);
    return () => this.openBodies.delete(body);
  }

  fault(text: string): void {
    if (this.faults.length < 5) this.faults.push(text);
  }
}

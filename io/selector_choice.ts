/**
 * How the best of several selectors is found: by trying them in order, without asking anybody for a permission.
 *
 * @module
 */
import { UnsupportedError } from "./errors.ts";
import type { Probe } from "./ffi/load.ts";

/** A selector that may be chosen. */
export interface Candidate<K extends string, T> {
  /** Its name. */
  readonly kind: K;
  /** Opens it, or says why it cannot open here. */
  open(): Probe<T>;
}

/** What was chosen. */
export interface Choice<K extends string, T> {
  /** Its name. */
  readonly kind: K;
  /** What was opened. */
  readonly found: T;
  /** Why this one and no better one, in one line. */
  readonly reason: string;
}

/**
 * Opens the first that opens.
 *
 * @param candidates from the best to the one that always opens
 * @returns it, with the reasons why it is not a better one
 * @throws UnsupportedError with all the reasons, if none opens
 */
export function chooseFirst<K extends string, T>(candidates: readonly Candidate<K, T>[]): Choice<K, T> {
  const refusals: string[] = [];
  for (const { kind, open } of candidates) {
    const { found, refusal } = open();
    if (found !== null) {
      return { kind, found, reason: ["it is the best one here", ...refusals].join("; not ") };
    }
    refusals.push(`${kind}: ${refusal}`);
  }
  throw new UnsupportedError("Cannot open a selector", refusals.join("; "));
}

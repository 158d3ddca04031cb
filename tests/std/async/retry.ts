/** Calling a function again until it succeeds. */

import { delay } from "./delay.ts";

/** What `retry` throws when the last attempt has failed; `cause` is that attempt's error. */
export class RetryError extends Error {
  constructor(cause: unknown, attempts: number) {
    super(`Retrying exceeded the maxAttempts (${attempts}).`, { cause });
    this.name = "RetryError";
  }
}

/** How `retry` waits and when it gives up. */
export interface RetryOptions {
  /** How much longer each wait is than the one before; 2 unless given. */
  multiplier?: number;
  /** The longest wait in milliseconds; 60,000 unless given. */
  maxTimeout?: number;
  /** How many calls are made at most; 5 unless given. */
  maxAttempts?: number;
  /** The first wait in milliseconds; 1,000 unless given. */
  minTimeout?: number;
  /** How much of each wait is random, from 0 to 1; 1 unless given. */
  jitter?: number;
  /** Whether an error is worth another attempt; always, unless given. */
  isRetriable?: (err: unknown) => boolean;
}

/** Calls `fn` until it succeeds, waiting longer after each failure. */
export async function retry<T>(fn: (() => Promise<T>) | (() => T), options: RetryOptions = {}): Promise<T> {
  const { multiplier = 2, maxTimeout = 60_000, maxAttempts = 5, minTimeout = 1_000, jitter = 1 } = options;
  if (minTimeout > maxTimeout) {
    throw new RangeError("Cannot retry as 'minTimeout' must be <= 'maxTimeout'");
  }
  if (!(jitter >= 0 && jitter <= 1)) {
    throw new RangeError(`Cannot retry as 'jitter' must be between 0 and 1: current value is ${jitter}`);
  }
  for (let attempt = 1;; attempt++) {
    try {
      return await fn();
    } catch (error) {
      if (options.isRetriable?.(error) === false) throw error;
      if (attempt >= maxAttempts) throw new RetryError(error, maxAttempts);
      const waitMs = Math.min(maxTimeout, minTimeout * multiplier ** (attempt - 1));
      await delay(waitMs * (1 - jitter * Math.random()));
    }
  }
}

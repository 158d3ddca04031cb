/** Waiting that a signal or a deadline can end. */

/** Makes waiting for a promise abortable: rejects with the signal's reason once it aborts. */
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
/** Makes reading an async iterable abortable: throws the signal's reason once it aborts. */
export function abortable<T>(p: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T>;
export function abortable<T>(
  p: Promise<T> | AsyncIterable<T>,
  signal: AbortSignal,
): Promise<T> | AsyncGenerator<T> {
  return p instanceof Promise ? abortablePromise(p, signal) : abortableIterable(p, signal);
}

async function abortablePromise<T>(p: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([aborted, p]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function* abortableIterable<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  while (true) {
    const { done, value } = await abortablePromise(Promise.resolve(iterator.next()), signal);
    if (done) return;
    yield value;
  }
}

/** What `deadline` takes besides its time. */
export interface DeadlineOptions {
  /** Ends the wait before its time. */
  signal?: AbortSignal;
}

/** Rejects with a `TimeoutError` (a `DOMException`) unless the promise settles within `ms` milliseconds. */
export async function deadline<T>(p: Promise<T>, ms: number, options: DeadlineOptions = {}): Promise<T> {
  const expired = new AbortController();
  const timer = setTimeout(() => expired.abort(new DOMException("Signal timed out.", "TimeoutError")), ms);
  const signals = options.signal ? [expired.signal, options.signal] : [expired.signal];
  try {
    return await abortablePromise(p, AbortSignal.any(signals));
  } finally {
    clearTimeout(timer);
  }
}

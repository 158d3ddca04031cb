/**
 * `map`: one task for each of many inputs, a bounded number ahead of the reader, results in the inputs' order.
 *
 * @module
 */

/**
 * Runs something for every input.
 *
 * @param inputs taken as results are read
 * @param lookAhead inputs that are taken before the result of the first is read
 * @param run what is run; its signal aborts when the reader leaves or another input's run has failed
 */
export async function* mapInputs<I, O>(
  inputs: Iterable<I> | AsyncIterable<I>,
  lookAhead: number,
  run: (input: I, signal: AbortSignal) => Promise<O>,
): AsyncGenerator<O, void, undefined> {
  const abort = new AbortController();
  const iterator = Symbol.asyncIterator in inputs
    ? inputs[Symbol.asyncIterator]()
    : inputs[Symbol.iterator]();
  const pending: Promise<O>[] = []; // at most lookAhead
  let isAtEnd = false;
  const take = async (): Promise<void> => {
    const next = await iterator.next();
    if (next.done) isAtEnd = true;
    else {
      const result = run(next.value, abort.signal);
      result.catch(() => {}); // whoever reads it hears of it; until then it is not unhandled
      pending.push(result);
    }
  };
  try {
    for (;;) {
      while (!isAtEnd && pending.length < lookAhead) await take();
      const first = pending.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    abort.abort();
    await Promise.allSettled(pending);
    if (!isAtEnd) await iterator.return?.();
  }
}

/** Words in shared memory by which a test and a task wait for each other. */

/** Two words: the task sets the first when it has begun, the test the second when it may end. */
export function sharedWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(8));
}

/** Waits until a word is no longer 0. */
export async function wordSet(words: Int32Array, index: number): Promise<void> {
  const waiting = Atomics.waitAsync(words as Int32Array<SharedArrayBuffer>, index, 0);
  if (waiting.async) await waiting.value;
}

/** Sets a word and wakes whoever waits for it. */
export function setWord(words: Int32Array, index: number): void {
  Atomics.store(words, index, 1);
  Atomics.notify(words, index);
}

/** The tasks that every contender runs. */

/** Gives back. */
export function noop(value: number): number {
  return value;
}

/** The length of a buffer. */
export function bytes(buffer: ArrayBuffer): number {
  return buffer.byteLength;
}

/** Computes. */
export function fibonacci(n: number): number {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/**
 * Arrays that mostly hold one thing or nothing, and are many.
 *
 * An engine that grows an empty array makes room for 17 entries at once (V8: 152 bytes), and keeps it when they are gone.
 * An array that once had one entry keeps room for one (24 bytes), and grows as any other when a second comes. With
 * ten thousand idle connections of a few such arrays each, that is megabytes.
 *
 * @module
 */

/** An empty array that has room for one entry. */
export function slimArray<T>(): T[] {
  const array: (T | null)[] = withOne<T>(null);
  array.pop();
  return array as T[];
}

/** From a parameter: a literal of constants would be shared until it is written to, and grow like an empty one then. */
function withOne<T>(entry: T | null): (T | null)[] {
  return [entry];
}

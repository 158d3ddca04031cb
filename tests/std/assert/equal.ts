/** Deep equality with the published package's rules, and the assertions built on it. */

import { difference, failWith, shown } from "./assertion_error.ts";

type Visited = Map<object, object>;

/** Whether two values are deeply equal: `NaN` equals `NaN`, a missing key differs from an `undefined` one. */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function compare(a: unknown, b: unknown, visited: Visited): boolean {
  if (Object.is(a, b) || a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (!sameKind(a, b)) return false;
  if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError(`Cannot compare ${a instanceof WeakMap ? "WeakMap" : "WeakSet"} instances`);
  }
  if (a instanceof WeakRef) return compare(a.deref(), (b as WeakRef<object>).deref(), visited);
  if (visited.get(a) === b) return true; // a cycle: already being compared further up
  visited.set(a, b);
  if (ArrayBuffer.isView(a) && !(a instanceof DataView)) return sameElements(a, b as typeof a);
  if (a instanceof Set) return sameMembers([...a], [...(b as Set<unknown>)], visited);
  if (a instanceof Map) return sameMembers([...a], [...(b as Map<unknown, unknown>)], visited);
  return sameProperties(a, b, visited);
}

/** An object without a prototype counts as a plain object; otherwise the constructors must agree. */
function sameKind(a: object, b: object): boolean {
  return (a.constructor ?? Object) === (b.constructor ?? Object);
}

function sameElements(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const left = a as unknown as ArrayLike<unknown>;
  const right = b as unknown as ArrayLike<unknown>;
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) {
    if (!Object.is(left[i], right[i]) && left[i] !== right[i]) return false;
  }
  return true;
}

/** Sets and maps: every member of one has a partner of its own in the other, in any order. */
function sameMembers(a: unknown[], b: unknown[], visited: Visited): boolean {
  if (a.length !== b.length) return false;
  const unmatched = [...b];
  return a.every((member) => {
    const at = unmatched.findIndex((other) => compare(member, other, visited));
    if (at >= 0) unmatched.splice(at, 1);
    return at >= 0;
  });
}

function sameProperties(a: object, b: object, visited: Visited): boolean {
  const keys = enumerableKeys(a);
  if (keys.length !== enumerableKeys(b).length) return false;
  return keys.every((key) =>
    key in b &&
    compare((a as Record<PropertyKey, unknown>)[key], (b as Record<PropertyKey, unknown>)[key], visited)
  );
}

function enumerableKeys(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
}

/** Asserts that two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) failWith("Values are not equal", msg, difference(actual, expected));
}

/** Asserts that two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) {
    failWith(`Expected actual: ${shown(actual)} not to be: ${shown(expected)}`, msg);
  }
}

/** Asserts that two values are the same by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (!Object.is(actual, expected)) {
    failWith("Values are not strictly equal", msg, difference(actual, expected));
  }
}

/** Asserts that two values are not the same by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (Object.is(actual, expected)) {
    failWith(`Expected "actual" to not be strictly equal to: ${shown(actual)}`, msg);
  }
}

/** Array-likes as the published package defines them: anything with a length that is not a function. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** Asserts that every expected value is, by deep equality, among the actual ones. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void {
  const present = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) => !present.some((value) => equal(wanted, value)));
  if (missing.length > 0) {
    failWith(
      `Expected actual: ${shown(actual)} to include: ${shown(expected)}`,
      msg,
      `missing: ${shown(missing)}`,
    );
  }
}

/** Asserts that `actual` has all that `expected` names, however deep; what else it has is not looked at. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  if (!matches(actual, expected, new Map())) {
    failWith("Values are not equal", msg, difference(actual, expected));
  }
}

function matches(actual: unknown, expected: unknown, visited: Visited): boolean {
  if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null) {
    return equal(actual, expected);
  }
  if (visited.get(expected) === actual) return true;
  visited.set(expected, actual);
  if (expected instanceof Map && actual instanceof Map) {
    return [...expected].every(([key, value]) => actual.has(key) && matches(actual.get(key), value, visited));
  }
  if (expected instanceof Set && actual instanceof Set) {
    return [...expected].every((value) => [...actual].some((other) => equal(other, value)));
  }
  if (!isOpen(expected)) return equal(actual, expected);
  return enumerableKeys(expected).every((key) =>
    key in actual &&
    matches(
      (actual as Record<PropertyKey, unknown>)[key],
      (expected as Record<PropertyKey, unknown>)[key],
      visited,
    )
  );
}

/** Whether an expected object is a pattern of keys rather than one opaque value. */
function isOpen(value: object): boolean {
  return !(value instanceof Date || value instanceof RegExp || value instanceof URL ||
    ArrayBuffer.isView(value));
}

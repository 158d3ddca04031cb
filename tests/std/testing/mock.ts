/**
 * Stands in for the published `@std/testing/mock`: functions that record their calls, and assertions on the record.
 *
 * Strategy: the same names, signatures and failures as the published 1.x package; only what tests use is here.
 * Known limit: no spies on classes and no mock sessions.
 *
 * @module
 */

import { assertIsError } from "../assert/throws.ts";
import { AssertionError, difference } from "../assert/assertion_error.ts";
import { assertEquals, equal } from "../assert/equal.ts";

/** A wrong use of a spy or stub. */
export class MockError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "MockError";
  }
}

/** One recorded call. */
// deno-lint-ignore no-explicit-any
export interface SpyCall<Self = any, Args extends unknown[] = any[], Return = any> {
  /** The arguments. */
  args: Args;
  /** What was returned, if the call returned. */
  returned?: Return;
  /** What was thrown, if the call threw. */
  error?: Error;
  /** What the function was called on. */
  self?: Self;
}

/** A function that records its calls. */
// deno-lint-ignore no-explicit-any
export interface Spy<Self = any, Args extends unknown[] = any[], Return = any> {
  (this: Self, ...args: Args): Return;
  /** The function that is called through. */
  original: (this: Self, ...args: Args) => Return;
  /** The calls so far, oldest first. */
  calls: SpyCall<Self, Args, Return>[];
  /** Whether the original method is back in its place. */
  restored: boolean;
  /** Puts the original method back. */
  restore(): void;
}

/** A method that records its calls; `using` puts the original back. */
// deno-lint-ignore no-explicit-any
export interface MethodSpy<Self = any, Args extends unknown[] = any[], Return = any>
  extends Spy<Self, Args, Return>, Disposable {}

/** A method replaced by another. */
// deno-lint-ignore no-explicit-any
export interface Stub<Self = any, Args extends unknown[] = any[], Return = any>
  extends MethodSpy<Self, Args, Return> {
  /** The function used in the original's place. */
  fake: (this: Self, ...args: Args) => Return;
}

/** The arguments of a method. */
export type GetParametersFromProp<Self, Prop extends keyof Self> = Self[Prop] extends
  (...args: infer Args) => unknown ? Args : unknown[];

/** What a method returns. */
export type GetReturnFromProp<Self, Prop extends keyof Self> = Self[Prop] extends // deno-lint-ignore no-explicit-any
(...args: any[]) => infer Return ? Return
  : unknown;

// deno-lint-ignore no-explicit-any
type AnyFunction = (this: any, ...args: any[]) => any;

/** The recording function itself; `restore` is what the kind of spy makes of it. */
function recorder(
  run: AnyFunction,
  original: AnyFunction,
  restore: () => void,
  isRestored: () => boolean,
): Spy {
  const calls: SpyCall[] = [];
  const spy = function (this: unknown, ...args: unknown[]): unknown {
    const call: SpyCall = this ? { args, self: this } : { args };
    try {
      call.returned = run.apply(this, args);
    } catch (error) {
      call.error = error as Error;
      calls.push(call);
      throw error;
    }
    calls.push(call);
    return call.returned;
  };
  return Object.defineProperties(spy, {
    original: { enumerable: true, value: original },
    calls: { enumerable: true, value: calls },
    restored: { enumerable: true, get: isRestored },
    restore: { enumerable: true, value: restore },
  }) as unknown as Spy;
}

function isSpy(value: unknown): boolean {
  return typeof value === "function" && "original" in value && "calls" in value && "restored" in value;
}

/** Puts a recorder in a method's place. */
function replaceMethod<Self>(self: Self, property: keyof Self, fake: AnyFunction | undefined): MethodSpy {
  const original = self[property] as AnyFunction | undefined;
  if (original !== undefined && typeof original !== "function") {
    throw new MockError("Cannot stub: property is not an instance method");
  }
  if (isSpy(original)) throw new MockError("Cannot stub: already spying on instance method");
  const descriptor = Object.getOwnPropertyDescriptor(self, property);
  if (descriptor && !descriptor.configurable) {
    throw new MockError("Cannot spy on non-configurable instance method");
  }
  let restored = false;
  const restore = () => {
    if (restored) throw new MockError("Cannot restore: instance method already restored");
    if (descriptor) Object.defineProperty(self, property, descriptor);
    else delete self[property];
    restored = true;
  };
  const spy = recorder(fake ?? original ?? (() => {}), original as AnyFunction, restore, () => restored);
  Object.defineProperty(spy, Symbol.dispose, { value: restore });
  Object.defineProperty(self, property, {
    configurable: true,
    enumerable: descriptor?.enumerable ?? false,
    writable: descriptor?.writable ?? false,
    value: spy,
  });
  return spy as MethodSpy;
}

/** Makes a function that records its calls and does nothing else. */
// deno-lint-ignore no-explicit-any
export function spy<Self = any, Args extends unknown[] = any[], Return = undefined>(): Spy<
  Self,
  Args,
  Return
>;
/** Wraps a function in one that records its calls. */
export function spy<Self, Args extends unknown[], Return>(
  func: (this: Self, ...args: Args) => Return,
): Spy<Self, Args, Return>;
/** Records the calls of a method. */
export function spy<Self, Prop extends keyof Self>(
  self: Self,
  property: Prop,
): MethodSpy<Self, GetParametersFromProp<Self, Prop>, GetReturnFromProp<Self, Prop>>;
export function spy<Self>(funcOrSelf?: AnyFunction | Self, property?: keyof Self): Spy {
  if (property !== undefined) {
    const self = funcOrSelf as Self;
    if (typeof self[property] !== "function") {
      throw new MockError("Cannot spy: property is not an instance method");
    }
    return replaceMethod(self, property, undefined);
  }
  const original = (funcOrSelf ?? (() => {})) as AnyFunction;
  const refuse = () => {
    throw new MockError("Cannot restore: function cannot be restored");
  };
  return recorder(original, original, refuse, () => false);
}

/** Replaces a method by one that does nothing, and records its calls. */
export function stub<Self, Prop extends keyof Self>(
  self: Self,
  property: Prop,
): Stub<Self, GetParametersFromProp<Self, Prop>, GetReturnFromProp<Self, Prop>>;
/** Replaces a method by another function, and records its calls. */
export function stub<Self, Prop extends keyof Self>(
  self: Self,
  property: Prop,
  func: (this: Self, ...args: GetParametersFromProp<Self, Prop>) => GetReturnFromProp<Self, Prop>,
): Stub<Self, GetParametersFromProp<Self, Prop>, GetReturnFromProp<Self, Prop>>;
export function stub<Self>(self: Self, property: keyof Self, func?: AnyFunction): Stub {
  const fake: AnyFunction = func ?? (() => {});
  return Object.defineProperty(replaceMethod(self, property, fake), "fake", {
    enumerable: true,
    value: fake,
  }) as Stub;
}

/** Asserts how often a spy was called. */
export function assertSpyCalls<Self, Args extends unknown[], Return>(
  spy: Spy<Self, Args, Return>,
  expectedCalls: number,
): void {
  const { length } = spy.calls;
  if (length === expectedCalls) return;
  const what = length < expectedCalls
    ? "spy not called as much as expected"
    : "spy called more than expected";
  throw new AssertionError(`${what}:\n${difference(length, expectedCalls)}`);
}

/** What a call is expected to have been; what is not given is not looked at. */
// deno-lint-ignore no-explicit-any
export interface ExpectedSpyCall<Self = any, Args extends unknown[] = any[], Return = any> {
  /** The arguments. */
  args?: [...Args, ...unknown[]];
  /** What the function was called on. */
  self?: Self;
  /** What was returned. */
  returned?: Return;
  /** What was thrown. */
  error?: {
    /** The class of the error. */
    // deno-lint-ignore no-explicit-any
    Class?: new (...args: any[]) => Error;
    /** A part of its message. */
    msgIncludes?: string;
  };
}

/** Asserts what one call of a spy was. */
export function assertSpyCall<Self, Args extends unknown[], Return>(
  spy: Spy<Self, Args, Return>,
  callIndex: number,
  expected: ExpectedSpyCall<Self, Args, Return> = {},
): void {
  const call = spy.calls[callIndex];
  if (!call) throw new AssertionError("spy not called as much as expected");
  if (expected.args) requireEqual(call.args, expected.args, "spy not called with expected args");
  if ("self" in expected) requireEqual(call.self, expected.self, "spy not called as method on expected self");
  if ("returned" in expected) {
    if ("error" in expected) {
      throw new TypeError("Do not expect error and return, only one should be expected");
    }
    if (call.error) throw new AssertionError("spy call did not return expected value, an error was thrown.");
    requireEqual(call.returned, expected.returned, "spy call did not return expected value");
  }
  if ("error" in expected) {
    if ("returned" in call) {
      throw new AssertionError("spy call did not throw an error, a value was returned.");
    }
    assertIsError(call.error, expected.error?.Class, expected.error?.msgIncludes);
  }
}

/** Asserts one argument of one call, and returns it. */
export function assertSpyCallArg<Self, Args extends unknown[], Return, ExpectedArg>(
  spy: Spy<Self, Args, Return>,
  callIndex: number,
  argIndex: number,
  expected: ExpectedArg,
): ExpectedArg {
  assertSpyCall(spy, callIndex);
  const arg = spy.calls[callIndex]?.args[argIndex];
  assertEquals(arg, expected);
  return arg as ExpectedArg;
}

function requireEqual(actual: unknown, expected: unknown, what: string): void {
  if (!equal(actual, expected)) throw new AssertionError(`${what}:\n${difference(actual, expected)}`);
}

/** Makes a function that returns the next of these values at each call, and throws those that are errors. */
// deno-lint-ignore no-explicit-any
export function returnsNext<Return, Self = any, Args extends unknown[] = any[]>(
  values: Iterable<Return | Error>,
): (this: Self, ...args: Args) => Return {
  const iterator = values[Symbol.iterator]();
  let calls = 0;
  return () => {
    const { value, done } = iterator.next();
    if (done) throw new MockError(`Not expected to be called more than ${calls} time(s)`);
    calls++;
    if (value instanceof Error) throw value;
    return value;
  };
}

/**
 * `Deno.test` on Node and Bun: registers with the runtime's own test runner.
 *
 * Steps run in order as parts of their test. Deno's sanitizers have no counterpart and their options mean nothing
 * here: what a test leaks is found on Deno. A test that the list in `opt_outs.ts` names is registered as skipped.
 *
 * @module
 */
import { createRequire } from "node:module";
import process from "node:process";
import { optOutReason, type RuntimeName } from "./opt_outs.ts";

/** Several times what the slowest test takes on a busy machine; a test that hangs ends before its whole file does. */
const TEST_MS_MAX = 300_000;

/** What a test is given. */
export interface StepContext {
  readonly name: string;
  step(name: string, run: (t: StepContext) => void | Promise<void>): Promise<boolean>;
  step(options: { name: string; fn: (t: StepContext) => void | Promise<void> }): Promise<boolean>;
}

type Run = (t: StepContext) => void | Promise<void>;

interface Definition {
  readonly name: string;
  readonly fn: Run;
  readonly ignore?: boolean;
  readonly only?: boolean;
}

/** `Deno.test` in the ways tests call it. */
export interface Test {
  (name: string, run: Run): void;
  (name: string, options: Omit<Partial<Definition>, "fn">, run: Run): void;
  (options: Omit<Partial<Definition>, "fn">, run: Run): void;
  (definition: Definition): void;
  (run: Run): void;
  ignore(name: string, run: Run): void;
}

/** Registers one test with the runtime: name, body, whether it is skipped. */
type Register = (name: string, run: () => Promise<void>, isSkipped: boolean) => void;

/** Which runtime this is. */
export const RUNTIME: RuntimeName = process.versions["bun"] === undefined ? "node" : "bun";

const require = createRequire(import.meta.url);

/** The file whose tests are being registered, and those of the files before it, while files share a process. */
const group = { file: "", held: null as (() => void)[] | null };

/**
 * Loads files that share a process, then runs the tests of all of them, each named `<file>: <its name>`. None begins
 * before the last file is loaded, so that loading takes no time from a test that has a deadline.
 *
 * @param files named as below `tests/`, and how each is loaded
 */
export async function testTogether(
  files: readonly (readonly [file: string, load: () => Promise<unknown>])[],
) {
  const held: (() => void)[] = group.held = [];
  for (const [file, load] of files) {
    group.file = file;
    await load();
  }
  group.held = null;
  for (const register of held) register();
}

/** Makes the `Deno.test` of one test file, named as below `tests/`. */
export function testFor(file: string): Test {
  let register: Register | null = null; // Children of tests load this file, too, outside any runner.
  const test = (...args: unknown[]): void => {
    const { name, fn, ignore = false } = definitionOf(args);
    const isSkipped = ignore || optOutReason(RUNTIME, file, name) !== null;
    register ??= RUNTIME === "bun" ? registerOnBun() : registerOnNode();
    const run = async () => void await fn(contextOf(name));
    const { file: loading, held } = group;
    if (held === null) register(name, run, isSkipped);
    else held.push(() => register!(`${loading}: ${name}`, run, isSkipped));
  };
  return Object.assign(test, {
    ignore: (name: string, fn: Run): void => test({ name, fn, ignore: true }),
  }) as Test;
}

function definitionOf(args: readonly unknown[]): Definition {
  const definition: Partial<Record<keyof Definition, unknown>> = {};
  for (const arg of args) {
    if (typeof arg === "string") definition.name = arg;
    else if (typeof arg === "function") {
      Object.assign(definition, { fn: arg, name: definition.name ?? arg.name });
    } else Object.assign(definition, arg);
  }
  const { name, fn } = definition;
  if (typeof name !== "string" || typeof fn !== "function") {
    throw new TypeError("Cannot register the test: it has no name or no body");
  }
  return definition as Definition;
}

function contextOf(name: string): StepContext {
  return {
    name,
    async step(step: string | { name: string; fn: Run }, run?: Run): Promise<boolean> {
      const inner = typeof step === "string" ? step : step.name;
      const fn = typeof step === "string" ? run! : step.fn;
      try {
        await fn(contextOf(inner));
      } catch (cause) {
        throw new Error(`step "${inner}" failed: ${cause}`, { cause });
      }
      return true;
    },
  };
}

function registerOnNode(): Register {
  const { test } = require("node:test");
  return (name, run, isSkipped) => void test(name, { skip: isSkipped, timeout: TEST_MS_MAX }, run);
}

function registerOnBun(): Register {
  const { test } = require("bun:test");
  return (name, run, isSkipped) => (isSkipped ? test.skip : test)(name, run, TEST_MS_MAX);
}

/**
 * Stands in for the published `@std/testing/bdd`: groups of tests with shared preparation.
 *
 * Strategy: a group is one `Deno.test`, its tests and inner groups are its steps. The same names and signatures as
 * the published 1.x package for what is here.
 * Known limit: no `only`, no `skip`, no options, no shared context object.
 *
 * @module
 */

type Callback = () => void | Promise<void>;

interface Group {
  readonly name: string;
  readonly parent: Group | undefined;
  readonly members: (Group | { readonly name: string; readonly run: Callback })[];
  readonly hooks: Record<"beforeAll" | "beforeEach" | "afterEach" | "afterAll", Callback[]>;
}

/** The group whose body is being read; bodies run at once, so this is `undefined` between them. */
let reading: Group | undefined;

/** A group of tests; its body registers them at once. */
export function describe(name: string, body: () => void): void {
  const parent = reading;
  const group: Group = {
    name,
    parent,
    members: [],
    hooks: { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] },
  };
  reading = group;
  try {
    body();
  } finally {
    reading = parent;
  }
  if (parent) parent.members.push(group);
  else Deno.test(name, (t) => runGroup(group, t));
}

/** One test. */
export function it(name: string, run: Callback): void {
  if (reading) reading.members.push({ name, run });
  else Deno.test(name, run);
}

/** Runs once before the tests of the group. */
export function beforeAll(hook: Callback): void {
  hooksOf("beforeAll").push(hook);
}

/** Runs before each test of the group and of the groups in it. */
export function beforeEach(hook: Callback): void {
  hooksOf("beforeEach").push(hook);
}

/** Runs after each test of the group and of the groups in it, failed ones included. */
export function afterEach(hook: Callback): void {
  hooksOf("afterEach").push(hook);
}

/** Runs once after the tests of the group. */
export function afterAll(hook: Callback): void {
  hooksOf("afterAll").push(hook);
}

function hooksOf(kind: keyof Group["hooks"]): Callback[] {
  if (!reading) throw new Error(`Cannot call ${kind}: hooks are registered inside describe()`);
  return reading.hooks[kind];
}

async function runGroup(group: Group, t: Deno.TestContext): Promise<void> {
  for (const hook of group.hooks.beforeAll) await hook();
  try {
    for (const member of group.members) {
      const run = "run" in member
        ? () => runOne(group, member.run)
        : (s: Deno.TestContext) => runGroup(member, s);
      await t.step(member.name, run);
    }
  } finally {
    for (const hook of group.hooks.afterAll) await hook();
  }
}

async function runOne(group: Group, run: Callback): Promise<void> {
  const lineage: Group[] = [];
  for (let at: Group | undefined = group; at; at = at.parent) lineage.unshift(at);
  for (const { hooks } of lineage) for (const hook of hooks.beforeEach) await hook();
  try {
    await run();
  } finally {
    for (const { hooks } of lineage.reverse()) for (const hook of hooks.afterEach) await hook();
  }
}

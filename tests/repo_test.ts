/** The parts of the repository that name each other agree: configuration, changelog, README, CI. */

import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertMatch,
} from "@std/assert";
import { unlinked } from "../scripts/unlink_std.ts";

const ROOT = new URL("../", import.meta.url);

const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));

function exists(path: string): boolean {
  try {
    return Deno.statSync(new URL(path, ROOT)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

interface Configuration {
  readonly version: string;
  readonly exports: Record<string, string>;
  readonly imports: Record<string, string>;
  readonly links: string[];
  readonly tasks: Record<string, string>;
  readonly publish: { include: string[] };
}

const CONFIG: Configuration = JSON.parse(read("deno.json"));

Deno.test("the version is the changelog's latest", () => {
  const [, latest] = /^## \[([^\]]+)\]/m.exec(read("CHANGELOG.md")) ?? [];
  assertEquals(latest, CONFIG.version);
});

Deno.test("what the package exports is there and is published", () => {
  for (const path of Object.values(CONFIG.exports)) {
    const file = path.replace("./", "");
    assert(exists(file), `${file} exists`);
    assert(CONFIG.publish.include.some((included) => file.startsWith(included)), `${file} is published`);
  }
});

Deno.test("the license is MIT, in its own words", () =>
  assertMatch(read("LICENSE"), /^MIT License\n\nCopyright/));

Deno.test("every @std package the tests import has a stand-in that the import accepts", () => {
  const mapped = Object.keys(CONFIG.imports);
  assertEquals(mapped.toSorted(), ["@std/assert", "@std/async", "@std/http", "@std/testing"]);
  const standIns = CONFIG.links.map((link) => JSON.parse(read(`${link.replace("./", "")}/deno.json`)));
  assertEquals(standIns.map(({ name }) => name).toSorted(), mapped.toSorted());
  for (const { name, version, exports } of standIns) {
    assertEquals(CONFIG.imports[name], `jsr:${name}@^1`);
    assertMatch(version, /^1\./);
    const files: string[] = typeof exports === "string" ? [exports] : Object.values(exports);
    for (const file of files) {
      assert(exists(`tests/std/${name.slice("@std/".length)}/${file.slice(2)}`), `${name} ${file}`);
    }
  }
});

Deno.test("the run on the published packages differs by the stand-ins alone", () => {
  const { links: _standIns, ...rest } = JSON.parse(read("deno.json"));
  assertEquals(JSON.parse(unlinked(read("deno.json"))), rest);
  const plain = CONFIG.tasks["test"] ?? "";
  const published = CONFIG.tasks["test:jsr"]?.split(" && ").at(-1) ?? "";
  assertEquals(published.replace(" --config deno.jsr.json", ""), plain);
});

Deno.test("tasks run files that are there", () => {
  for (const [name, command] of Object.entries(CONFIG.tasks)) {
    for (const [file] of command.matchAll(/\b[\w/]+\.ts\b/g)) assert(exists(file), `${name}: ${file}`);
    for (const [, other = ""] of command.matchAll(/deno task ([\w:]+)/g)) {
      assertExists(CONFIG.tasks[other], other);
    }
  }
});

Deno.test("the ready-made server asks for no more than it needs", () => {
  const serve = CONFIG.tasks["serve"] ?? "";
  assertFalse(
    /--allow-(all|read(?!=server,io,pool )|write|run|sys|ffi|import)|(^| )-A( |$)/.test(serve),
    serve,
  );
  assertMatch(serve, /--allow-read=server,io,pool /); // A thread of its own is loaded like a file, not like a module.
  assertMatch(serve, /--allow-net( |$)/);
  assertMatch(serve, /--allow-env=SLUICE_SELECTOR,LISTEN_FDS,LISTEN_PID( |$)/);
});

Deno.test("tests run with the sanitizers on", () => {
  const flags = CONFIG.tasks["test"]?.split(" ") ?? [];
  assertArrayIncludes(flags, ["--sanitize-ops", "--sanitize-resources"]);
});

Deno.test("CI runs each step of `deno task ok` once", () => {
  const steps = [...(CONFIG.tasks["ok"] ?? "").matchAll(/deno task ([\w:]+)/g)].map(([, step]) => step);
  const run = [...read(".ci/run").matchAll(/^ *for task in ([^;]+); do/gm)].flatMap(([, names]) =>
    names?.split(" ") ?? []
  );
  assertEquals(run.toSorted(), steps.toSorted());
});

Deno.test("the README says first how to serve and how to test, with the Deno that CI uses", () => {
  const commands = [...read("README.md").matchAll(/npx -y deno@[\d.]+ .*/g)].map(([command]) =>
    command.trim()
  );
  const version = /npx -y deno@([\d.]+)/.exec(read(".ci/run"))?.[1];
  assertExists(version);
  assertEquals(commands.slice(0, 2), [
    `npx -y deno@${version} task serve`,
    `npx -y deno@${version} task test`,
  ]);
  for (const command of commands) assert(command.includes(`deno@${version} `), command);
  assertEquals(new Set(read(".ci/run").match(/deno@[\d.]+/g)), new Set([`deno@${version}`]));
});

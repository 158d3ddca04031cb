/**
 * The rules of ARCHITECTURE.md, checked on the repository itself, and each rule checked on a project that breaks it.
 *
 * A rule is a function in `tests/tidy/`; what it finds is reported as `path:line: message`.
 */

import { assertEquals } from "@std/assert";
import { cycles, layers, runtimes, specifiers } from "./tidy/layers.ts";
import { Project, readProject, type Rule, type Violation } from "./tidy/project.ts";
import { fileLengths, fileNames, functionLengths, mirroredTests } from "./tidy/size.ts";
import { anonymousErrors, errorCodes, moduleState } from "./tidy/state.ts";
import { constants, docstrings, documentedNames, fileHeaders, texts } from "./tidy/writing.ts";

const RULES: Readonly<Record<string, Rule>> = {
  "a layer imports only what is below it": layers,
  "the library imports only ./x.ts and node:x": specifiers,
  "only runtime files name a runtime": runtimes,
  "no file imports itself by way of others": cycles,
  "files stay short": fileLengths,
  "functions stay short": functionLengths,
  "files are in snake_case and say what is inside": fileNames,
  "every library file has its test": mirroredTests,
  "no module holds mutable state": moduleState,
  "errors have a name": anonymousErrors,
  "errors have a code": errorCodes,
  "every library file opens with its job": fileHeaders,
  "every export has a docstring": docstrings,
  "every number says why": constants,
  "nothing is deferred, and nothing holds on one machine only": texts,
  "the names in the documents exist": documentedNames,
};

function listed(violations: readonly Violation[]): string[] {
  return violations.map(({ path, line, message }) => `${path}:${line}: ${message}`);
}

const repository = await readProject(new URL("../", import.meta.url));

for (const [name, rule] of Object.entries(RULES)) {
  Deno.test(`tidy: ${name}`, () => assertEquals(listed(rule(repository)), []));
}

/** What a rule must report, as `path:line`, on a project made to break it; empty for one that keeps it. */
interface Trial {
  readonly rule: Rule;
  readonly files: Record<string, string>;
  readonly reports: readonly string[];
}

const importing = (from: string, target: string): Record<string, string> => {
  const up = "../".repeat(from.split("/").length - 1) || "./";
  return { [from]: `import "${up}${target}";`, [target]: "" };
};

/** The same statement on a number of lines. */
const lines = (count: number, line = "f();") => `${line}\n`.repeat(count);

const TRIALS: Readonly<Record<string, Trial>> = {
  "io importing server": { rule: layers, files: importing("io/a.ts", "server/b.ts"), reports: ["io/a.ts:1"] },
  "io importing pool": { rule: layers, files: importing("io/a.ts", "pool/b.ts"), reports: ["io/a.ts:1"] },
  "pool importing io": { rule: layers, files: importing("pool/a.ts", "io/b.ts"), reports: ["pool/a.ts:1"] },
  "pool importing server": {
    rule: layers,
    files: importing("pool/a.ts", "server/b.ts"),
    reports: ["pool/a.ts:1"],
  },
  "server importing pool": {
    rule: layers,
    files: importing("server/a.ts", "pool/b.ts"),
    reports: ["server/a.ts:1"],
  },
  "the ready-made server importing pool": {
    rule: layers,
    files: importing("server/main.ts", "pool/b.ts"),
    reports: [],
  },
  "server importing io": { rule: layers, files: importing("server/a.ts", "io/b.ts"), reports: [] },
  "http1 importing io": {
    rule: layers,
    files: importing("server/http1/a.ts", "io/b.ts"),
    reports: ["server/http1/a.ts:1"],
  },
  "http1 importing server": {
    rule: layers,
    files: importing("server/http1/a.ts", "server/b.ts"),
    reports: ["server/http1/a.ts:1"],
  },
  "server importing http1": {
    rule: layers,
    files: importing("server/a.ts", "server/http1/b.ts"),
    reports: [],
  },
  "the library importing a test": {
    rule: layers,
    files: importing("io/a.ts", "tests/b.ts"),
    reports: ["io/a.ts:1"],
  },
  "a stream importing a selector": {
    rule: layers,
    files: importing("io/stream_reader.ts", "io/selectors/epoll.ts"),
    reports: ["io/stream_reader.ts:1"],
  },
  "a type-only import across layers": {
    rule: layers,
    files: { "io/a.ts": `import type { B } from "../server/b.ts";`, "server/b.ts": "" },
    reports: ["io/a.ts:1"],
  },
  "a dynamic import across layers": {
    rule: layers,
    files: { "io/a.ts": `\nconst b = await import("../server/b.ts");`, "server/b.ts": "" },
    reports: ["io/a.ts:2"],
  },
  "an import type across layers": {
    rule: layers,
    files: { "io/a.ts": `type B = import("../server/b.ts").B;`, "server/b.ts": "" },
    reports: ["io/a.ts:1"],
  },
  "a selector importing a selector": {
    rule: layers,
    files: importing("io/selectors/uring.ts", "io/selectors/ring.ts"),
    reports: [],
  },
  "open_selector importing a selector": {
    rule: layers,
    files: importing("io/open_selector.ts", "io/selectors/epoll.ts"),
    reports: [],
  },
  "io/mod.ts exporting a selector that is not the wrapper": {
    rule: layers,
    files: {
      "io/mod.ts": `export * from "./selectors/checked.ts";\nexport * from "./selectors/epoll.ts";`,
      "io/selectors/checked.ts": "",
      "io/selectors/epoll.ts": "",
    },
    reports: ["io/mod.ts:2"],
  },
  "a bare specifier": {
    rule: specifiers,
    files: { "io/a.ts": `import "node:net";\nimport "@std/assert";` },
    reports: ["io/a.ts:2"],
  },
  "an npm specifier": {
    rule: specifiers,
    files: { "mod.ts": `export * from "npm:x@1";` },
    reports: ["mod.ts:1"],
  },
  "an import of a file that is not there": {
    rule: specifiers,
    files: { "io/a.ts": `import "./b.ts";` },
    reports: ["io/a.ts:1"],
  },
  "a relative specifier without an ending": {
    rule: specifiers,
    files: { "io/a.ts": `import "./b";`, "io/b.ts": "" },
    reports: ["io/a.ts:1"],
  },
  "Deno in a value": { rule: runtimes, files: { "io/a.ts": `f();\nDeno.exit();` }, reports: ["io/a.ts:2"] },
  "Deno in a type": {
    rule: runtimes,
    files: { "io/a.ts": `type A = Deno.NetAddr;` },
    reports: ["io/a.ts:1"],
  },
  "Deno by way of globalThis": {
    rule: runtimes,
    files: { "io/a.ts": `(globalThis as unknown as X).Deno;` },
    reports: ["io/a.ts:1"],
  },
  "process, console and node:": {
    rule: runtimes,
    files: { "server/a.ts": `import "node:fs";\nprocess.exit();\nconsole.log();` },
    reports: ["server/a.ts:1", "server/a.ts:2", "server/a.ts:3"],
  },
  "a runtime in a runtime file": {
    rule: runtimes,
    files: {
      "io/runtime.ts": `Deno.x;`,
      "io/selectors/native_deno.ts": `Deno.y;`,
      "server/main.ts": `Deno.z;`,
    },
    reports: [],
  },
  "names that only look like a runtime": {
    rule: runtimes,
    files: { "io/a.ts": `interface A { process(): void; Deno?: 1 }\na.process();\nconst b = { Bun: 1 };` },
    reports: [],
  },
  "a ring of imports": {
    rule: cycles,
    files: {
      "io/a.ts": `import "./b.ts";`,
      "io/b.ts": `import type { A } from "./c.ts";`,
      "io/c.ts": `export * from "./a.ts";`,
    },
    reports: ["io/a.ts:1"],
  },
  "two ways to one file": {
    rule: cycles,
    files: {
      "io/a.ts": `import "./b.ts"; import "./c.ts";`,
      "io/b.ts": `import "./d.ts";`,
      "io/c.ts": `import "./d.ts";`,
      "io/d.ts": "",
    },
    reports: [],
  },
  "a file of 501 lines": {
    rule: fileLengths,
    files: { "io/a.ts": lines(501), "io/b.ts": lines(500) },
    reports: ["io/a.ts:501"],
  },
  "a function of 71 lines": {
    rule: functionLengths,
    files: { "io/a.ts": `function a() {\n${lines(69)}}`, "io/b.ts": `\nconst b = () => {\n${lines(68)}};` },
    reports: ["io/a.ts:1"],
  },
  "a list of tests longer than a function": {
    rule: functionLengths,
    files: { "tests/a_test.ts": `describe("a", () => {\n${lines(40, 'it("b", () => {\n});')}});` },
    reports: [],
  },
  "a name in camelCase, and one that says nothing": {
    rule: fileNames,
    files: { "io/streamReader.ts": "", "io/utils.ts": "", "io/stream_reader.ts": "", "io/http1.ts": "" },
    reports: ["io/streamReader.ts:1", "io/utils.ts:1"],
  },
  "a library file without its test": {
    rule: mirroredTests,
    files: {
      "io/a.ts": "export const a = 1;",
      "io/b.ts": "export const b = 1;",
      "io/mod.ts": `export * from "./a.ts";`,
      "io/types_only.ts": `import type { A } from "./a.ts";\nexport interface T { a: A }`,
      "tests/io/b_test.ts": "",
    },
    reports: ["io/a.ts:1"],
  },
  "a module-level let": { rule: moduleState, files: { "io/a.ts": "let a = 0;" }, reports: ["io/a.ts:1"] },
  "a static field": {
    rule: moduleState,
    files: { "io/a.ts": "class A {\n  static a = 0;\n  static readonly b = 0;\n}" },
    reports: ["io/a.ts:2"],
  },
  "a module-level map that a function fills": {
    rule: moduleState,
    files: { "io/a.ts": "const cache = new Map();\nexport function f() {\n  cache.set(1, 2);\n}" },
    reports: ["io/a.ts:3"],
  },
  "a module-level buffer that a function writes": {
    rule: moduleState,
    files: { "io/a.ts": "const scratch = new Uint8Array(8);\nconst f = () => {\n  scratch[0] = 1;\n};" },
    reports: ["io/a.ts:3"],
  },
  "a table filled while loading, a weak map, a parameter of the same name": {
    rule: moduleState,
    files: {
      "io/a.ts": "const table = new Uint8Array(8);\nfor (let i = 0; i < 8; i++) table[i] = i;\n" +
        "const owners = new WeakMap();\nfunction f(table: number[]) {\n  table.push(1);\n  owners.set(f, 1);\n}",
    },
    reports: [],
  },
  "an anonymous error": {
    rule: anonymousErrors,
    files: { "io/a.ts": `throw new Error("x");`, "io/b.ts": `throw new RangeError("x");` },
    reports: ["io/a.ts:1"],
  },
  "an error without a code, and one without its name": {
    rule: errorCodes,
    files: {
      "io/a.ts": "export class PlainError extends Error {}",
      "io/b.ts": `export class Oops extends PlainError {}`,
      "io/c.ts": `export class FineError extends Error {\n  readonly code = "SLUICE_FINE";\n}`,
    },
    reports: ["io/a.ts:1", "io/b.ts:1"],
  },
  "a file that opens with code": {
    rule: fileHeaders,
    files: { "io/a.ts": "const a = 1;", "io/b.ts": "/** Says what it is for. */" },
    reports: ["io/a.ts:1"],
  },
  "an export without a docstring": {
    rule: docstrings,
    files: {
      "io/a.ts":
        "/** A. */\nexport const a = 1;\nexport const b = 2;\n// Not a docstring.\nexport class C {}\n" +
        "/** D. */\nexport function d(): void;\nexport function d(x?: 1): void {}",
    },
    reports: ["io/a.ts:3", "io/a.ts:5"],
  },
  "a constant without a reason": {
    rule: constants,
    files: {
      "io/a.ts":
        "// Because.\nconst A = 1;\nconst B = 2;\n\nconst C = 3;\nconst D = 4; // as RFC 9112 §2 has it\nconst e = 5;\n\n" +
        'const TEXT = "x";\nconst F = 64 * KIB;',
    },
    reports: ["io/a.ts:5", "io/a.ts:10"],
  },
  "deferred work and paths of one machine": {
    rule: texts,
    files: {
      "io/a.ts": `// ${"TO" + "DO"}: later`,
      "README.md": `see\n/${"work"}/x`,
      "b.md": "a todo list, /workers/",
    },
    reports: ["io/a.ts:1", "README.md:2"],
  },
  "a document naming what does not exist": {
    rule: documentedNames,
    files: {
      "mod.ts": `export * from "./io/mod.ts";`,
      "io/mod.ts": `export { open } from "./a.ts";`,
      "io/a.ts": "export function open() {}\nexport class Inner {\n  read() {}\n}",
      "README.md":
        "`open()`, `reader.read()`, `Request`, `deno task serve`, `AF_INET`\n`gone()`\n`Gone`\n`Inner`\n" +
        "```ts\nconst x = `Elsewhere`;\n```",
      "ARCHITECTURE.md": "`Inner`, `open()`\n`Gone`",
    },
    reports: ["README.md:2", "README.md:3", "README.md:4", "ARCHITECTURE.md:2"],
  },
};

for (const [name, { rule, files, reports }] of Object.entries(TRIALS)) {
  Deno.test(`tidy ${reports.length > 0 ? "reports" : "allows"} ${name}`, () => {
    const found = rule(new Project(files)).map(({ path, line }) => `${path}:${line}`);
    assertEquals(found, reports);
  });
}

Deno.test("tidy: every rule has been seen to report", () => {
  const proven = new Set(
    Object.values(TRIALS).filter(({ reports }) => reports.length > 0).map(({ rule }) => rule),
  );
  assertEquals(Object.entries(RULES).filter(([, rule]) => !proven.has(rule)).map(([name]) => name), []);
});

/**
 * Makes a test file written for Deno one that Node and Bun can load: the same text, with three things put right.
 *
 * Strategy: only files below `tests/` are touched, and only their text as it is loaded. The global `Deno` they use is
 * imported at the start of their first line (lines keep their numbers), so that the library, which is never touched,
 * sees no `Deno` and finds the runtime it is really on. `@std/…` becomes the stand-in's file, `npm:…` the package that
 * the run has installed.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Where the tests are, as a path with a slash at its end. */
const TESTS = fileURLToPath(new URL("../", import.meta.url));

/** Folders below `tests/` that must be loaded as they are: this one, which makes `Deno`. */
const UNTOUCHED = fileURLToPath(new URL("./", import.meta.url));

/** An import or export of something by name, or a dynamic import of a constant one. */
const SPECIFIER = /(\bfrom\s+|\bimport\s*\(\s*|^import\s+)"((?:@std\/|npm:)[^"]+)"/gm;

/** A use of the global, or a mention in a comment: then an import more does no harm. */
const USE_OF_DENO = /\bDeno\b/;

/** Whether a file is one to adapt. */
export function isAdapted(path: string): boolean {
  return path.startsWith(TESTS) && !path.startsWith(UNTOUCHED) && path.endsWith(".ts");
}

/**
 * The text to load instead of a test file's own.
 *
 * @param text what is in the file
 * @param path the file, absolute: what the tests it registers are filed under
 * @param packages folder with a `node_modules` in which `npm:` packages are
 */
export function adaptSource(text: string, path: string, packages: string): string {
  const body = text.replaceAll(SPECIFIER, (_all, before: string, specifier: string) => {
    const target = specifier.startsWith("@std/")
      ? standInFor(specifier)
      : createRequire(`${packages}/`).resolve(packageName(specifier));
    return `${before}"${pathToFileURL(target).href}"`;
  });
  // A module that a test loads into a thread must not bring `node:test` there, which would catch what it throws.
  return USE_OF_DENO.test(body) ? importOfDeno(path.slice(TESTS.length)) + body : body;
}

/** The import of `Deno` for a test file, named as below `tests/`. */
export function importOfDeno(file: string): string {
  const standIn = pathToFileURL(`${UNTOUCHED}deno_stand_in.ts`).href;
  return `import { denoFor as $denoFor } from "${standIn}"; const Deno = $denoFor(${JSON.stringify(file)}); `;
}

/** `npm:@scope/name@1.2/sub` without `npm:` and version. */
function packageName(specifier: string): string {
  return specifier.slice("npm:".length).replace(/(?<=.)@[^/]+/, "");
}

/** The file of a stand-in, by the `exports` of its `deno.json`. */
function standInFor(specifier: string): string {
  const [, folder = "", name] = /^@std\/([^/]+)(\/.*)?$/.exec(specifier) ?? [];
  const { exports } = JSON.parse(readFileSync(`${TESTS}std/${folder}/deno.json`, "utf8"));
  const path = typeof exports === "string" && name === undefined ? exports : exports[`.${name ?? ""}`];
  if (typeof path !== "string") {
    throw new TypeError(`Cannot resolve ${specifier}: its stand-in has no such export`);
  }
  return `${TESTS}std/${folder}/${path.slice("./".length)}`;
}

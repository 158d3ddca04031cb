/**
 * Loaded before a test file by `node --import`: from then on files below `tests/` are adapted as they are loaded, and
 * `node:test`, which is loaded later, does not watch every promise.
 *
 * That it would by an async hook, to know which test a stray error belongs to; promises then cost so much that the
 * fault suites took 20 times their time (72 s of CPU instead of 3 for one file). Without the hook such an error is
 * reported for the file instead of the test, and fails the run as well.
 *
 * @module
 */
import { createHook } from "node:async_hooks";
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { adaptSource, isAdapted } from "./adapt_source.ts";

const packages = process.env["SLUICE_TEST_PACKAGES"] ?? process.cwd();

registerHooks({
  load(url, context, nextLoad) {
    const path = url.startsWith("file:") ? fileURLToPath(url) : "";
    if (!isAdapted(path)) return nextLoad(url, context);
    const loaded = nextLoad(url, { ...context, format: "module-typescript" });
    return { ...loaded, source: adaptSource(readFileSync(path, "utf8"), path, packages), shortCircuit: true };
  },
});

const hooks = Object.getPrototypeOf(createHook({})) as { enable(): unknown };
hooks.enable = function () {
  return this;
};

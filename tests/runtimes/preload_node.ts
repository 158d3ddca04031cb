/** Loaded before a test file by `node --import`: from then on files below `tests/` are adapted as they are loaded. */

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

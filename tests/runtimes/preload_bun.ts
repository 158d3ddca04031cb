/** Loaded before the test files by `bun test --preload`: files below `tests/` are adapted as they are loaded. */

import { readFileSync } from "node:fs";
import process from "node:process";
import { adaptSource, isAdapted } from "./adapt_source.ts";

/** The part of Bun that is used here. */
interface BunGlobal {
  plugin(plugin: {
    name: string;
    setup(build: {
      onLoad(
        on: { filter: RegExp },
        load: (of: { path: string }) => { contents: string; loader: "ts" },
      ): void;
    }): void;
  }): void;
}

const packages = process.env["SLUICE_TEST_PACKAGES"] ?? process.cwd();

(globalThis as unknown as { Bun: BunGlobal }).Bun.plugin({
  name: "tests written for Deno",
  setup(build) {
    build.onLoad({ filter: /\/tests\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      return { contents: isAdapted(path) ? adaptSource(text, path, packages) : text, loader: "ts" };
    });
  },
});

/** The native selector of Bun runs the whole contract. */

import { assert, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { detectRuntime } from "../../../io/runtime.ts";
import { openNativeBun } from "../../../io/selectors/native_bun.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";
import { bunWriteCounter } from "./count_bun_writes.ts";

const isBun = detectRuntime().name === "bun";

if (isBun) {
  selectorContract("native selector", () => openNativeBun(), {
    hasSockets: true,
    countSends: await bunWriteCounter(),
  });
}

Deno.test("the selector of Bun opens on Bun only", async () => {
  if (!isBun) return void assertThrows(() => openNativeBun(), UnsupportedError, "not Bun");
  await using selector = openNativeBun();
  assert(selector.kind === "native");
});

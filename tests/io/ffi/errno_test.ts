import { assert, assertEquals } from "@std/assert";
import os from "node:os";
import * as errno from "../../../io/ffi/errno.ts";

Deno.test("error numbers are this system's", () => {
  const known = os.constants.errno as Readonly<Record<string, number>>;
  const names = Object.keys(errno);
  assert(names.length > 20);
  for (const [name, number] of Object.entries(errno)) assertEquals(number, known[name], name);
});

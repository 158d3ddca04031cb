import { assertEquals } from "@std/assert";
import { inheritedDescriptors } from "../../io/inherited_descriptors.ts";
import { processId } from "../../io/runtime.ts";

/** What is handed over when the environment says this. */
function withEnv(values: Readonly<Record<string, string>>): readonly number[] {
  for (const [name, value] of Object.entries(values)) Deno.env.set(name, value);
  try {
    return inheritedDescriptors();
  } finally {
    for (const name of Object.keys(values)) Deno.env.delete(name);
  }
}

const LISTEN_PID = String(processId());

Deno.test("as many descriptors as LISTEN_FDS says were handed over, from 3 on", () => {
  assertEquals(withEnv({ LISTEN_PID, LISTEN_FDS: "1" }), [3]);
  assertEquals(withEnv({ LISTEN_PID, LISTEN_FDS: "3" }), [3, 4, 5]);
  assertEquals(withEnv({ LISTEN_PID, LISTEN_FDS: "0" }), []);
});

Deno.test("what was handed to another process, or makes no sense, is nothing", () => {
  assertEquals(withEnv({}), []);
  assertEquals(withEnv({ LISTEN_FDS: "1" }), []);
  assertEquals(withEnv({ LISTEN_PID }), []);
  assertEquals(withEnv({ LISTEN_PID: `${LISTEN_PID}0`, LISTEN_FDS: "1" }), []);
  for (const LISTEN_FDS of ["", "-1", "1.5", "x", "9999", "10000000000"]) {
    assertEquals(withEnv({ LISTEN_PID, LISTEN_FDS }), [], LISTEN_FDS);
  }
});

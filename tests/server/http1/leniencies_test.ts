import { assert, assertEquals } from "@std/assert";
import { LENIENCIES } from "../../../server/http1/leniencies.ts";
import { play } from "../../vectors/vector.ts";

Deno.test("what is said to be accepted is", () => {
  for (const row of LENIENCIES) {
    assert(row.examples.length > 0);
    for (const wire of row.examples) {
      const vector = {
        name: row.accepted,
        wire,
        events: [],
        ...(row.role === "response" ? { answers: ["GET"] } : {}),
      };
      assertEquals(play(vector, []).at(-1), "end", row.accepted);
    }
  }
});

Deno.test("every leniency has a source and a reason", () => {
  for (const row of LENIENCIES) {
    assert(/^RFC \d{4} §[\d.]+(, (RFC \d{4} )?§[\d.]+)*$/.test(row.section), row.section);
    assert(row.reason.length > 10, row.accepted);
  }
});

import { assertEquals } from "@std/assert";
import { FIELD_LINE_REFUSALS, START_LINE_REFUSALS } from "../../../server/http1/refusals_of_lines.ts";
import { play } from "../../vectors/vector.ts";

Deno.test("a line that breaks a rule ends the connection's requests, whatever comes after", () => {
  const after = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const row of [...START_LINE_REFUSALS, ...FIELD_LINE_REFUSALS]) {
    for (const example of row.examples) {
      const vector = { name: row.id, wire: example + after, events: [] };
      const played = play(row.role === "response" ? { ...vector, answers: ["GET", "GET"] } : vector, []);
      assertEquals(played.at(-1), `error ${row.id}`);
      assertEquals(played.filter((event) => event.includes("smuggled")), []);
    }
  }
});

import { assertEquals } from "@std/assert";
import { CHUNK_REFUSALS, MEANING_REFUSALS } from "../../../server/http1/refusals_of_messages.ts";
import { play } from "../../vectors/vector.ts";

Deno.test("an ambiguous message is never told as a head, nor is what comes after it", () => {
  for (const row of MEANING_REFUSALS.filter(({ role }) => role === "request")) {
    for (const wire of row.examples) {
      const vector = { name: row.id, wire: wire + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", events: [] };
      assertEquals(play(vector, []), [`error ${row.id}`]);
    }
  }
});

Deno.test("after a broken chunk nothing is told, neither data nor another request", () => {
  for (const row of CHUNK_REFUSALS) {
    for (const wire of row.examples) {
      const vector = {
        name: row.id,
        wire: wire + "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        events: [],
      };
      const events = play(vector, []);
      assertEquals(events.at(-1), `error ${row.id}`);
      assertEquals(events.filter((event) => event.startsWith("GET") || event === "end"), []);
    }
  }
});

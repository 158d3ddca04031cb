import { assert, assertEquals } from "@std/assert";
import { DOCUMENT_PATH, strictnessDocument } from "../../../scripts/http1_strictness.ts";
import { REFUSAL_BY_ID, REFUSALS } from "../../../server/http1/refusals.ts";
import { CHUNKED } from "../../vectors/chunked.ts";
import { LIMITS } from "../../vectors/limits.ts";
import { RESPONSES } from "../../vectors/responses.ts";

Deno.test("every rule has its own name, a section and a reason", () => {
  assertEquals(REFUSAL_BY_ID.size, REFUSALS.length);
  for (const row of REFUSALS) {
    assert(/^[a-z]+(-[a-z]+)*$/.test(row.id), row.id);
    assert(/^RFC \d{4} §[\d.]+(, (RFC \d{4} )?§[\d.]+)*$/.test(row.section), row.section);
    assert(row.rule.length > 10 && !row.rule.endsWith("."), row.rule);
    assertEquals(REFUSAL_BY_ID.get(row.id), row);
  }
});

Deno.test("a request's rule is answered with one of the statuses for it, a response's with 502", () => {
  for (const row of REFUSALS) {
    const statuses = row.role === "response" ? [502] : [400, 413, 414, 417, 431, 501, 505];
    assert(statuses.includes(row.status), row.id);
  }
});

Deno.test("every rule is shown by a vector", () => {
  const shown = new Set([...CHUNKED, ...LIMITS, ...RESPONSES].flatMap(({ events }) => events));
  for (const row of REFUSALS) {
    assert(row.examples.length > 0 || shown.has(`error ${row.id}`), `nothing shows ${row.id}`);
  }
});

Deno.test("the published table is the engine's own", () => {
  const published = Deno.readTextFileSync(new URL(`../../../${DOCUMENT_PATH}`, import.meta.url));
  assertEquals(
    published,
    strictnessDocument(),
    "run: deno run --allow-write=docs scripts/http1_strictness.ts",
  );
});

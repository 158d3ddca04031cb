import { assertEquals, assertNotStrictEquals } from "@std/assert";
import { createServerStats } from "../../server/server_stats.ts";

/** Every number in an object, however deep, by its path. */
function numbersIn(value: object, path = ""): [string, number][] {
  return Object.entries(value).flatMap(([name, item]): [string, number][] =>
    typeof item === "number" ? [[path + name, item]] : numbersIn(item as object, `${path}${name}.`)
  );
}

Deno.test("every counter begins at zero, and there is one for each status", () => {
  const stats = createServerStats();
  for (const [path, value] of numbersIn(stats)) assertEquals(value, 0, path);
  assertEquals(stats.responsesByStatus.length, 600);
  assertEquals(stats.peerErrors, {});
});

Deno.test("two servers count apart, in every part", () => {
  const one = createServerStats();
  const other = createServerStats();
  for (const name of ["responsesByStatus", "peerErrors", "limitsReached", "deadlinesPassed"] as const) {
    assertNotStrictEquals(one[name], other[name], name);
  }
  one.responsesByStatus[200]!++;
  one.limitsReached.bufferedBytes++;
  one.deadlinesPassed.head++;
  one.peerErrors["SLUICE_HTTP_X"] = 1;
  assertEquals(other, createServerStats());
});

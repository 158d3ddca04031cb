import { assert, assertEquals } from "@std/assert";
import { REASONS } from "../../../server/http1/reasons.ts";

Deno.test("status lines are whole, and of the status they stand at", () => {
  REASONS.forEach((line, status) => {
    if (line === undefined) return;
    assert(/^HTTP\/1\.1 \d{3} [\x20-\x7e]+\r\n$/.test(line), line);
    assertEquals(line.slice(9, 12), String(status));
  });
});

Deno.test("the phrases are the registered ones", () => {
  assertEquals([REASONS[200], REASONS[413]], ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 413 Content Too Large\r\n"]);
  assertEquals([REASONS[299], REASONS[99], REASONS[600]], [undefined, undefined, undefined]);
});

Deno.test("every status the engine's errors have is there", () => {
  for (const status of [400, 408, 411, 413, 414, 417, 431, 500, 501, 502, 505]) {
    assert(REASONS[status] !== undefined);
  }
});

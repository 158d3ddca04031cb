import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { Http1Error, LocalProtocolError } from "../../../server/http1/errors.ts";
import { REFUSALS } from "../../../server/http1/refusals.ts";

Deno.test("every refusal makes an error with its own code, status and reason", () => {
  const codes = new Set<string>();
  for (const row of REFUSALS) {
    const error = new Http1Error(row.id, "request");
    assertEquals([error.refusal, error.status, error.isPeerFault], [row.id, row.status, true]);
    assert(/^SLUICE_HTTP_[A-Z_]+$/.test(error.code), error.code);
    assertEquals(error.message, `Cannot accept the request: ${row.rule} (${row.section})`);
    codes.add(error.code);
  }
  assertEquals(codes.size, REFUSALS.length);
});

Deno.test("what a response breaks is an upstream's fault", () => {
  const error = new Http1Error("length-repeated", "response");
  assertEquals([error.status, error.name], [502, "Http1Error"]);
  assert(error.message.startsWith("Cannot accept the response: "));
});

Deno.test("our own misuse is not the peer's fault", () => {
  const cause = new RangeError("x");
  const error = new LocalProtocolError("Cannot encode: y", { cause });
  assertInstanceOf(error, Error);
  assertEquals([error.code, error.status, error.isPeerFault, error.cause], [
    "SLUICE_HTTP_LOCAL",
    500,
    false,
    cause,
  ]);
});

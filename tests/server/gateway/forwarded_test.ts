import { assert, assertEquals } from "@std/assert";
import {
  addForwarded,
  clientAddress,
  type ClientFacts,
  isIdentityField,
  viaHops,
  viaLine,
} from "../../../server/gateway/forwarded.ts";
import type { FieldLine } from "../../../server/gateway/hop_fields.ts";
import { requestHead } from "./heads.ts";

const CLIENT: ClientFacts = { address: "203.0.113.7", proto: "http", host: "me.example", isTrusted: false };

function forwarded(client: ClientFacts, ...fields: string[]): FieldLine[] {
  const lines: FieldLine[] = [];
  addForwarded(lines, requestHead("GET / HTTP/1.1", "Host: me.example", ...fields), client);
  return lines;
}

Deno.test("a client's identity is its to claim in no spelling", () => {
  for (
    const name of [
      "x-forwarded-for",
      "x-forwarded-anything",
      "x_forwarded_for",
      "x-forwarded_host",
      "forwarded",
      "x-real-ip",
      "x_real_ip",
      "true-client-ip",
      "x-client-ip",
    ]
  ) assert(isIdentityField(name), name);
  for (const name of ["x-request-id", "from", "te", "traceparent", "x-forward"]) {
    assert(!isIdentityField(name), name);
  }
});

Deno.test("what an untrusted client says of itself is not repeated", () => {
  assertEquals(
    forwarded(CLIENT, "X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil"),
    [["x-forwarded-for", "203.0.113.7"], ["x-forwarded-proto", "http"], ["x-forwarded-host", "me.example"]],
  );
});

Deno.test("what a trusted proxy says is kept and added to", () => {
  const client = { ...CLIENT, isTrusted: true };
  assertEquals(
    forwarded(client, "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2", "X-Forwarded-Proto: https"),
    [
      ["x-forwarded-for", "1.1.1.1, 2.2.2.2, 203.0.113.7"],
      ["x-forwarded-proto", "https"],
      ["x-forwarded-host", "me.example"],
    ],
  );
});

Deno.test("a client without an address adds none", () => {
  const client = { ...CLIENT, address: null, host: null };
  assertEquals(forwarded(client), [["x-forwarded-proto", "http"]]);
  assertEquals(forwarded({ ...client, isTrusted: true }, "X-Forwarded-For: 1.1.1.1"), [
    ["x-forwarded-for", "1.1.1.1"],
    ["x-forwarded-proto", "http"],
  ]);
});

Deno.test("an address is shown as people write it", () => {
  assertEquals(clientAddress({ hostname: "2001:db8::1" }), "2001:db8::1");
  assertEquals(clientAddress({ hostname: "::ffff:192.0.2.1" }), "192.0.2.1");
  assertEquals(clientAddress({}), null);
  assertEquals(clientAddress(undefined), null);
});

Deno.test("Via gets this hop at its end, with the version that came", () => {
  const none = requestHead("GET / HTTP/1.1", "Host: a");
  assertEquals(viaLine(none, 1, "sluice"), ["via", "1.1 sluice"]);
  assertEquals(viaLine(none, 0, "sluice"), ["via", "1.0 sluice"]);
  const two = requestHead("GET / HTTP/1.1", "Host: a", "Via: 1.0 fred", "Via: 1.1 p.example");
  assertEquals(viaLine(two, 1, "sluice"), ["via", "1.0 fred, 1.1 p.example, 1.1 sluice"]);
  assertEquals([viaHops(none), viaHops(two)], [0, 2]);
});

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { createHeaders } from "../../server/request_headers.ts";
import { parseHead } from "../support/incoming_request.ts";

const LINES = [
  "Host: example.com",
  "Accept: text/html",
  "accept: */*",
  "Cookie: a=1",
  "X-Empty:",
  "COOKIE: b=2",
  "Set-Cookie: c=3",
  "Set-Cookie: d=4",
  "X-Latin: cafe",
];

function ours(): Headers {
  return createHeaders(parseHead("GET / HTTP/1.1", ...LINES));
}

/** What a real `Headers` has, when Cookie is joined as it must be. */
function real(): Headers {
  const headers = new Headers({ host: "example.com", cookie: "a=1; b=2", "x-empty": "", "x-latin": "cafe" });
  for (const value of ["text/html", "*/*"]) headers.append("accept", value);
  for (const value of ["c=3", "d=4"]) headers.append("set-cookie", value);
  return headers;
}

Deno.test("it is a Headers with every entry a real one has, in the same order", () => {
  assertInstanceOf(ours(), Headers);
  assertEquals([...ours()], [...real()]);
  assertEquals([...ours().entries()], [...real().entries()]);
  assertEquals([...ours().keys()], [...real().keys()]);
  assertEquals([...ours().values()], [...real().values()]);
  const pairs: string[] = [];
  ours().forEach((value, name) => pairs.push(`${name}: ${value}`));
  assertEquals(pairs, [...real()].map(([name, value]) => `${name}: ${value}`));
});

Deno.test("get, has and getSetCookie answer as a real one, before and after it was iterated", () => {
  for (const headers of [ours(), iterated()]) {
    for (const name of ["host", "HOST", "Accept", "cookie", "set-cookie", "x-empty", "x-none"]) {
      assertEquals(headers.get(name), real().get(name), name);
      assertEquals(headers.has(name), real().has(name), name);
    }
    assertEquals(headers.getSetCookie(), real().getSetCookie());
  }
});

function iterated(): Headers {
  const headers = ours();
  assert([...headers].length > 0);
  return headers;
}

Deno.test("a name that is none is a TypeError, as is none at all", () => {
  for (const name of ["", "a b", "a:", "\u212aelvin"]) {
    assertThrows(() => ours().get(name), TypeError);
    assertThrows(() => ours().has(name), TypeError);
    assertThrows(() => real().get(name), TypeError);
  }
  assertThrows(() => (ours().get as () => unknown)(), TypeError);
});

Deno.test("it is immutable, as the headers of Deno.serve's requests are", () => {
  assertThrows(() => ours().set("a", "b"), TypeError, "immutable");
  assertThrows(() => ours().append("a", "b"), TypeError, "immutable");
  assertThrows(() => ours().delete("host"), TypeError, "immutable");
});

Deno.test("the runtime takes it where it takes headers", () => {
  assertEquals([...new Headers(ours())], [...real()]);
  assertEquals([...new Request("http://localhost/", { headers: ours() }).headers], [...real()]);
  assertEquals([...new Response(null, { headers: ours() }).headers], [...real()]);
  const sorted = (headers: Headers) => Deno.inspect(headers).replaceAll(",", "").split("\n").toSorted();
  assertEquals(sorted(ours()), sorted(real())); // Node shows them in the order in which they were set.
  assertEquals(Object.prototype.toString.call(ours()), "[object Headers]");
  assertEquals(ours().constructor, Headers);
});

Deno.test("obs-text is one code unit per byte, as a real one would have it", () => {
  const headers = createHeaders(parseHead("GET / HTTP/1.1", "Host: a", "X: caf\u00e9"));
  // The test's head is UTF-8, so the letter is two bytes.
  assertEquals(headers.get("x"), "caf\u00c3\u00a9");
  assertEquals(new Headers(headers).get("x"), "caf\u00c3\u00a9");
});

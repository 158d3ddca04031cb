import { assert, assertEquals } from "@std/assert";
import { requestPath, requestUrl, urlPath } from "../../server/request_url.ts";

function head(
  target: string,
  host: string | null = "example.com",
  targetForm: "origin" | "absolute" | "authority" | "asterisk" = "origin",
) {
  return { target, targetForm, get: (name: string) => name === "host" ? host : null };
}

Deno.test("target and Host make the URL", () => {
  assertEquals(requestUrl(head("/a/b?c=d"), "http", "localhost"), "http://example.com/a/b?c=d");
  assertEquals(requestUrl(head("/", "10.0.0.7:8443"), "https", "localhost"), "https://10.0.0.7:8443/");
});

Deno.test("the four forms of a target have the URL RFC 9112 §3.3 says", () => {
  const cases: [Parameters<typeof head>, string][] = [
    [["/a", "h.example", "origin"], "http://h.example/a"],
    [["http://other.example/a?b", "h.example", "absolute"], "http://other.example/a?b"],
    [["http://other.example", "h.example", "absolute"], "http://other.example/"],
    [["http://u:p@other.example:80/a#f", "h.example", "absolute"], "http://other.example/a"],
    [["other.example:443", "other.example:443", "authority"], "http://other.example:443/"],
    [["*", "h.example", "asterisk"], "http://h.example/"],
  ];
  for (const [args, url] of cases) assertEquals(requestUrl(head(...args), "http", "localhost"), url);
});

Deno.test("without a usable Host the own authority stands in", () => {
  for (const host of [null, "", "a:b:c", "1.2.3.4.5", "%zz", "[::g]"]) {
    assertEquals(requestUrl(head("/a", host), "http", "127.0.0.1:8000"), "http://127.0.0.1:8000/a");
  }
  assertEquals(requestUrl(head("http:", null, "absolute"), "http", "localhost"), "http://localhost/");
  assertEquals(requestUrl(head("urn:a:b", null, "absolute"), "http", "localhost"), "http://localhost/");
});

Deno.test("every target that is put together is what the URL parser makes of it", () => {
  const pieces = [
    "a",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "%",
    "%zz",
    "%C3%A9",
    "|",
    "'",
    "[",
    "]",
    "^",
    "`",
    "{",
    "}",
    "\\",
  ];
  pieces.push(
    '"',
    "<",
    ">",
    "~",
    "!",
    "*",
    "(",
    ")",
    ";",
    ":",
    "@",
    "&",
    "=",
    "+",
    "$",
    ",",
    "-",
    "_",
    "?",
    "//",
    ".a",
    "..a",
  );
  for (const left of pieces) {
    for (const right of pieces) {
      for (
        const target of [`/${left}${right}`, `/${left}/${right}`, `/x/${left}?${right}`, `/${left}/${right}/`]
      ) {
        const url = new URL(`http://example.com${target}`);
        const source = head(target);
        assertEquals(requestUrl(source, "http", "localhost"), url.href, target);
        assertEquals(requestPath(source), url.pathname, target);
        assertEquals(urlPath(url.href), url.pathname, target);
      }
    }
  }
});

Deno.test("every authority that is put together is what the URL parser makes of it", () => {
  const hosts = [
    "a",
    "A",
    "a.b",
    "a.1",
    "a.0x1",
    "1.a",
    "0x7f.1",
    "127.1",
    "127.0.0.1",
    "127.0.0.01",
    "256.1.1.1",
    "1.2.3.4.5",
  ];
  hosts.push(
    "[::1]",
    "[0:0::1]",
    "[::ffff:1.2.3.4]",
    "xn--mnchen-3ya.de",
    "a.xn--zz",
    "xn--",
    "a_b.c",
    "_a.b-c",
    "a-.b",
  );
  hosts.push(
    "a..b",
    ".a",
    "a.",
    "a.b.",
    "%41",
    "a!b",
    "a~b",
    "-a",
    "0",
    "08",
    "a.0",
    "a.b1",
    "localhost",
    "1e1",
    "a.1e1",
  );
  const ports = [
    "",
    ":",
    ":80",
    ":443",
    ":0",
    ":1",
    ":8000",
    ":08000",
    ":65535",
    ":65536",
    ":99999",
    ":33439",
  ];
  for (const scheme of ["http", "https"] as const) {
    for (const host of hosts) {
      for (const port of ports) {
        const parsed = URL.parse(`${scheme}://${host}${port}/a`);
        const expected = parsed?.href ?? `${scheme}://own:1/a`;
        assertEquals(requestUrl(head("/a", host + port), scheme, "own:1"), expected, host + port);
      }
    }
  }
});

Deno.test("a long run of any character is looked at in time that grows with its length only", () => {
  // A backtracking pattern would not come back from these.
  for (const char of ["a", ".", "-", "1", "xn--", "a.", "%2e", "/."]) {
    const text = char.repeat(5000);
    assert(requestUrl(head(`/${text}\\`, `${text}!`), "http", "own").startsWith("http://"));
  }
});

Deno.test("the path of a URL is found with and without path and query", () => {
  assertEquals(urlPath("http://h"), "/");
  assertEquals(urlPath("http://h/a?b/c"), "/a");
  assertEquals(requestPath(head("http://h?q", null, "absolute")), "/");
});

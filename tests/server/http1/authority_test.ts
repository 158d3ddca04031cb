import { assertEquals } from "@std/assert";
import { isAuthority } from "../../../server/http1/authority.ts";
import { seededRandom } from "../../vectors/seeded_random.ts";
import { wireBytes } from "../../vectors/vector.ts";

function accepts(text: string, needsPort = false): boolean {
  const bytes = wireBytes(`x${text}y`);
  return isAuthority(bytes, 1, bytes.length - 1, needsPort);
}

Deno.test("hosts with and without a port are accepted", () => {
  const good = [
    "a",
    "a.b",
    "a:",
    "a:0",
    "a:65535",
    "a:000080",
    "127.0.0.1",
    "1",
    "a_b",
    "a,b",
    "a!$&'()*+;=b",
    "~",
    "%41",
    "a%2Fb",
  ];
  good.push(
    "[::]",
    "[::1]:80",
    "[1::]",
    "[1:2:3:4:5:6:7:8]",
    "[::1.2.3.4]",
    "[1:2:3:4:5:6:1.2.3.4]",
    "[FFFF::abcd]:",
  );
  for (const host of good) assertEquals(accepts(host), true, host);
});

Deno.test("anything else is refused", () => {
  const bad = [
    "",
    ":",
    ":80",
    "a:b",
    "a:65536",
    "a:-1",
    "a:1:2",
    "a/b",
    "a@b",
    "a b",
    "a?b",
    "a#b",
    "a\\b",
    '"',
    "a\x00",
    "\xe9",
    "%",
    "%4",
  ];
  bad.push(
    "%4g",
    "a%",
    "[",
    "[]",
    "[::1",
    "::1",
    "[::1]x",
    "[::1]:x",
    "[:1]",
    "[1:]",
    "[:::]",
    "[1::2::3]",
    "[12345::]",
    "[g::]",
  );
  bad.push(
    "[1:2:3:4:5:6:7]",
    "[1:2:3:4:5:6:7:8:9]",
    "[::1.2.3]",
    "[::1.2.3.4.5]",
    "[::1.2.3.256]",
    "[::01.2.3.4]",
    "[::1.2.3.4:5]",
  );
  bad.push("[1:2:3:4:5:6:7:1.2.3.4]", "[fe80::1%25eth0]", "[v1.x]", "[1.2.3.4]", "x[::1]");
  for (const host of bad) assertEquals(accepts(host), false, host);
});

Deno.test("a port that is needed must be there and can be connected to", () => {
  for (
    const [host, is] of [["a:443", true], ["[::1]:1", true], ["a", false], ["a:", false], ["a:0", false], [
      "a:000",
      false,
    ]] as const
  ) {
    assertEquals(accepts(host, true), is, host);
  }
});

Deno.test("IPv6 addresses are those the URL standard takes", () => {
  const random = seededRandom(3);
  const pieces = [":", ":", ":", "::", "0", "1", "ab", "ffff", "12345", "1.2.3.4", "255", ".", "g"];
  for (let i = 0; i < 30_000; i++) {
    const text = Array.from({ length: 1 + random(17) }, () => pieces[random(pieces.length)]).join("");
    // A single colon at the end is a failure (https://url.spec.whatwg.org/#concept-ipv6-parser), which Bun's URL lets pass.
    const isCutShort = text.endsWith(":") && !text.endsWith("::");
    assertEquals(accepts(`[${text}]`), !isCutShort && URL.canParse(`http://[${text}]/`), text);
  }
});

Deno.test("whatever is accepted and made of host characters is a URL's host", () => {
  const random = seededRandom(5);
  const characters = "abcxyz0189-._~%[]:@/?#\\ \"<>^`{|}!$&'()*+,;=";
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + random(6) }, () => characters[random(characters.length)]).join("");
    if (!accepts(text)) continue;
    const url = URL.parse(`http://${text}/`);
    // The URL standard reads a host that ends in a number as IPv4 and decodes percents, RFC 3986 does neither.
    if (url === null) continue;
    assertEquals([url.username, url.pathname, url.search, url.hash], ["", "/", "", ""], text);
  }
});

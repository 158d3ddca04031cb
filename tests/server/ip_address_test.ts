import { assert, assertEquals, assertThrows } from "@std/assert";
import { AddressSet, formatIp, parseIp } from "../../server/ip_address.ts";

/** Text, and what it is written as: RFC 4291 §2.2 and RFC 5952 §4. */
const ADDRESSES: readonly [string, string][] = [
  ["0.0.0.0", "0.0.0.0"],
  ["255.255.255.255", "255.255.255.255"],
  ["192.0.2.1", "192.0.2.1"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"], // §4.2.3: the first of equal runs.
  ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"], // §4.2.3: the longest.
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], // §4.2.2: not for one group alone.
  ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], // Read, though written by nobody who follows it.
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
  ["0001:0002:0003:0004:0005:0006:0007:0008", "1:2:3:4:5:6:7:8"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"],
  ["::ffff:192.0.2.1", "192.0.2.1"], // RFC 4291 §2.5.5.2: the IPv4 address it stands for.
  ["::FFFF:C000:0201", "192.0.2.1"],
  ["::fffe:c000:201", "::fffe:c000:201"],
];

/** Neither addresses, nor guessed to be some. */
const NONE: readonly string[] = [
  "",
  ".",
  "1.2.3",
  "1.2.3.4.5",
  "1.2.3.256",
  "1.2.3.04", // RFC 6943 §3.1.1: octal to some.
  "01.2.3.4",
  "0x1.2.3.4",
  "1.2.3.-4",
  "1.2.3.+4",
  "1.2.3.4 ",
  " 1.2.3.4",
  "1.2.3.",
  "1..3.4",
  "1.2.3.1e1",
  "16909060",
  "localhost",
  ":",
  ":::",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:8::",
  "::1:2:3:4:5:6:7:8",
  "1::2::3",
  "1:2:3:4:5:6:7:",
  ":2:3:4:5:6:7:8",
  "12345::",
  "g::",
  "::1%eth0",
  "[::1]",
  "::1/64",
  "::1.2.3",
  "::1.2.3.4:5",
  "1.2.3.4::",
  "1:2:3:4:5:6:7:1.2.3.4",
  "::01.2.3.4",
];

Deno.test("addresses are read in every spelling and written in one", () => {
  for (const [text, canonical] of ADDRESSES) {
    const bytes = parseIp(text);
    assert(bytes !== null, `${text} is not read`);
    assertEquals(formatIp(bytes), canonical, text);
    assertEquals(parseIp(canonical), bytes, `${text} and ${canonical} are the same`);
  }
});

Deno.test("what is not exactly an address is none", () => {
  for (const text of NONE) assertEquals(parseIp(text), null, JSON.stringify(text));
});

Deno.test("any sixteen bytes that are no mapped address survive being written and read", () => {
  for (let mask = 0; mask < 256; mask++) { // Which of the eight groups are zero.
    const bytes = new Uint8Array(16);
    for (let group = 0; group < 8; group++) if (mask & 1 << group) bytes[2 * group + 1] = group + 1;
    assertEquals(parseIp(formatIp(bytes)), bytes, formatIp(bytes));
  }
});

Deno.test("a set has its addresses and those within its prefixes, to the bit", () => {
  const set = new AddressSet(["10.0.0.0/8", "192.0.2.128/25", "203.0.113.7", "2001:db8::/33", "::1"]);
  for (const inside of ["10.0.0.0", "10.255.255.255", "192.0.2.128", "192.0.2.255", "203.0.113.7", "::1"]) {
    assert(set.has(inside), inside);
  }
  for (const inside of ["2001:db8::", "2001:db8:7fff:ffff::", "::ffff:10.1.2.3"]) {
    assert(set.has(inside), inside);
  }
  for (
    const outside of ["11.0.0.0", "9.255.255.255", "192.0.2.127", "203.0.113.8", "::2", "2001:db8:8000::"]
  ) {
    assert(!set.has(outside), outside);
  }
  for (const outside of ["", "localhost", "10.0.0", "/run/socket"]) assert(!set.has(outside), outside);
});

Deno.test("a prefix of no bits has every address of its family, and none of the other", () => {
  assertEquals([new AddressSet(["0.0.0.0/0"]).has("1.2.3.4"), new AddressSet(["0.0.0.0/0"]).has("::1")], [
    true,
    false,
  ]);
  assertEquals([new AddressSet(["::/0"]).has("1.2.3.4"), new AddressSet(["::/0"]).has("2001::")], [
    false,
    true,
  ]);
  assertEquals(new AddressSet([]).has("1.2.3.4"), false);
});

Deno.test("what is neither an address nor a prefix is refused when the set is made", () => {
  const wrong = [
    "",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "a/8",
  ];
  for (const text of wrong) assertThrows(() => new AddressSet([text]), TypeError, "Cannot read");
  for (const text of ["10.0.0.1/8", "192.0.2.129/25", "::1/127", "2001:db8::8000:0:0/64"]) {
    assertThrows(() => new AddressSet([text]), TypeError, "bits beyond its prefix");
  }
});

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import type { Addr } from "../../io/selector.ts";
import { type ProxyHeader, ProxyHeaderError, ProxyHeaderParser } from "../../server/proxy_protocol.ts";

const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const tcp = (hostname: string, port: number): Addr => ({ transport: "tcp", hostname, port });
const unix = (path: string): Addr => ({ transport: "unix", path });

/** §2.2 of the specification. */
const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
const V4 = "\xc0\x00\x02\x01" + "\xc0\x00\x02\x09" + "\x13\x88" + "\x00\x50";
const V6 = "\x20\x01\x0d\xb8" + "\0".repeat(11) + "\x01" + "\0".repeat(15) + "\x01" + "\xff\xff" + "\x00\x00";
const MAPPED = "\0".repeat(10) + "\xff\xff\x0a\x00\x00\x01" + "\0".repeat(10) + "\xff\xff\x0a\x00\x00\x02" +
  "\x00\x01\x00\x02";
const UNIX = "/run/a.sock".padEnd(108, "\0") + "b".repeat(108);

/** A header of version 2; its length is that of `rest` unless told. */
function binary(command: number, family: number, rest: string, length = rest.length): string {
  return SIGNATURE + String.fromCharCode(command, family, length >> 8, length & 0xff) + rest;
}

/** An extension (TLV). */
const extension = (type: number, value: string) =>
  String.fromCharCode(type, value.length >> 8, value.length & 0xff) + value;

const v1 = (source: Addr | null, destination: Addr | null): ProxyHeader => ({
  version: 1,
  source,
  destination,
});
const v2 = (source: Addr | null, destination: Addr | null): ProxyHeader => ({
  version: 2,
  source,
  destination,
});

const TAKEN: readonly [string, ProxyHeader][] = [
  [
    "PROXY TCP4 192.0.2.1 192.0.2.9 5000 80\r\n",
    v1(tcp("192.0.2.1", 5000), tcp("192.0.2.9", 80)),
  ],
  [
    "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
    v1(tcp("255.255.255.255", 65535), tcp("255.255.255.255", 65535)),
  ],
  ["PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", v1(tcp("0.0.0.0", 0), tcp("0.0.0.0", 0))],
  ["PROXY TCP6 2001:DB8::1 ::1 65535 1\r\n", v1(tcp("2001:db8::1", 65535), tcp("::1", 1))],
  ["PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n", v1(tcp("10.0.0.1", 1), tcp("::1", 2))],
  [
    `PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`, // §2.1: the worst case, 104 bytes.
    v1(tcp("ffff:".repeat(7) + "ffff", 65535), tcp("ffff:".repeat(7) + "ffff", 65535)),
  ],
  ["PROXY UNKNOWN\r\n", v1(null, null)],
  [
    `PROXY UNKNOWN ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`, // §2.1: 107 bytes, the longest.
    v1(null, null),
  ],
  [binary(0x21, 0x11, V4), v2(tcp("192.0.2.1", 5000), tcp("192.0.2.9", 80))],
  [binary(0x21, 0x21, V6), v2(tcp("2001:db8::1", 65535), tcp("::1", 0))],
  [binary(0x21, 0x21, MAPPED), v2(tcp("10.0.0.1", 1), tcp("10.0.0.2", 2))],
  [binary(0x21, 0x31, UNIX), v2(unix("/run/a.sock"), unix("b".repeat(108)))],
  [binary(0x21, 0x00, ""), v2(null, null)], // UNSPEC.
  [binary(0x20, 0x00, ""), v2(null, null)], // LOCAL: a health check.
  [binary(0x20, 0x11, V4), v2(null, null)], // §2.2: addresses of LOCAL are to be ignored.
  [
    binary(0x21, 0x11, V4 + extension(0x01, "h2") + extension(0x04, "")),
    v2(tcp("192.0.2.1", 5000), tcp("192.0.2.9", 80)),
  ],
  [binary(0x21, 0x00, extension(0x04, "x".repeat(300))), v2(null, null)],
  [binary(0x21, 0x00, extension(0x04, "x".repeat(4_096 - 16 - 3))), v2(null, null)], // As long as one may be.
];

/** What is refused, and how many of its bytes are enough to see that. */
const REFUSED: readonly [string, number][] = [
  ["GET / HTTP/1.1\r\n", 1],
  ["P\r\n", 2],
  ["proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n", 1],
  ["PROXY\r\n", 6],
  ["PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n", Infinity],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n", 31],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\r\n", 32],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", Infinity],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n", Infinity],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n", Infinity],
  ["PROXY TCP4\t1.1.1.1 1.1.1.1 1 1\r\n", 11],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n", Infinity],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n", Infinity],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n", Infinity],
  ["PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n", Infinity],
  ["PROXY TCP4 1.1.1.1 1.1.1.1  1\r\n", Infinity],
  ["PROXY TCP4 1.1.1.01 1.1.1.1 1 1\r\n", Infinity],
  ["PROXY TCP4 1.1.1.256 1.1.1.1 1 1\r\n", Infinity],
  ["PROXY TCP4 ::1 ::1 1 1\r\n", Infinity],
  ["PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n", Infinity],
  ["PROXY TCP6 ::1%lo ::1 1 1\r\n", Infinity],
  ["PROXY TCP6 [::1] ::1 1 1\r\n", Infinity],
  ["PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n", Infinity],
  ["PROXY unknown\r\n", Infinity],
  ["PROXY UNKNOWNS\r\n", Infinity],
  ["PROXY UNKNOWN \xe4\r\n", 15],
  ["PROXY UNKNOWN \0\r\n", 15],
  ["PROXY UNKNOWN " + "x".repeat(93), 107],
  ["PROXY UNKNOWN " + "x".repeat(92) + "\r\n", Infinity], // 108 bytes.
  ["\r\n\r\n\0\r\nQUIT\r", 12],
  ["\r\nGET / HTTP/1.1\r\n", 3],
  [binary(0x11, 0x11, V4), 16], // Version 1 in binary.
  [binary(0x31, 0x11, V4), 16],
  [binary(0x22, 0x11, V4), 16], // A command that is none.
  [binary(0x21, 0x12, V4), 16], // Datagrams.
  [binary(0x21, 0x22, V6), 16],
  [binary(0x21, 0x32, UNIX), 16],
  [binary(0x21, 0x10, V4), 16],
  [binary(0x21, 0x41, V4), 16],
  [binary(0x21, 0x11, V4.slice(1)), 16], // Too short for its addresses.
  [binary(0x21, 0x21, V4), 16],
  [binary(0x21, 0x31, UNIX.slice(1)), 16],
  [binary(0x21, 0x00, "", 4_081), 16], // Longer than is taken.
  [binary(0x21, 0x11, V4, 65_535), 16],
  [binary(0x21, 0x11, V4 + "\x04"), Infinity], // Extensions that are cut short.
  [binary(0x21, 0x11, V4 + "\x04\x00"), Infinity],
  [binary(0x21, 0x11, V4 + "\x04\x00\x02x"), Infinity],
  [binary(0x21, 0x00, extension(1, "a") + "\x04\xff\xff"), Infinity],
];

Deno.test("every valid header is taken whole, and the bytes behind it are left alone", () => {
  for (const [text, header] of TAKEN) {
    const parser = new ProxyHeaderParser();
    assertEquals(parser.feed(latin1(text + "GET / HTTP/1.1\r\n")), text.length, text);
    assertEquals(parser.header, header, text);
    assertEquals(parser.feed(latin1("more")), 0, "what comes later is not the header's");
  }
});

Deno.test("every valid header is taken however it is split in two", () => {
  for (const [text, header] of TAKEN) {
    const bytes = latin1(text);
    for (let at = 0; at <= bytes.length; at += bytes.length > 1_000 ? 97 : 1) {
      const parser = new ProxyHeaderParser();
      assertEquals(parser.feed(bytes.subarray(0, at)), at);
      assertEquals(parser.header === null, at < bytes.length, `complete after ${at} bytes of ${text}`);
      assertEquals(parser.feed(bytes.subarray(at)), bytes.length - at);
      assertEquals(parser.header, header);
    }
  }
});

Deno.test("every valid header is taken byte by byte, also when the caller's buffer is used again", () => {
  for (const [text, header] of TAKEN) {
    const parser = new ProxyHeaderParser();
    const loan = new Uint8Array(1);
    for (const byte of latin1(text)) {
      assertEquals(parser.header, null);
      loan[0] = byte;
      assertEquals(parser.feed(loan), 1);
      loan[0] = 0xff;
    }
    assertEquals(parser.header, header);
  }
});

Deno.test("what is not exactly a header is refused whole, and as early as it can be seen", () => {
  for (const [text, seenAt] of REFUSED) {
    assertThrows(() => new ProxyHeaderParser().feed(latin1(text)), ProxyHeaderError, "Cannot read", text);
    const parser = new ProxyHeaderParser();
    let thrownAt = Infinity;
    for (const [i, byte] of latin1(text).entries()) {
      try {
        parser.feed(Uint8Array.of(byte));
      } catch (error) {
        assertInstanceOf(error, ProxyHeaderError);
        assertEquals(error.code, "SLUICE_PROXY_HEADER");
        thrownAt = i + 1;
        break;
      }
    }
    assertEquals(thrownAt, Math.min(seenAt, text.length), JSON.stringify(text));
    assertEquals(parser.header, null);
  }
});

Deno.test("no prefix of a valid header passes for one", () => {
  for (const [text] of TAKEN) {
    const parser = new ProxyHeaderParser();
    parser.feed(latin1(text.slice(0, -1)));
    assert(parser.header === null);
  }
});

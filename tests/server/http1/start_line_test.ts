import { assertEquals } from "@std/assert";
import { MESSAGE_LIMITS_DEFAULT } from "../../../server/http1/limits.ts";
import { REFUSED } from "../../../server/http1/section_scanner.ts";
import { RequestScanner, ResponseScanner } from "../../../server/http1/start_line.ts";
import { wireBytes } from "../../vectors/vector.ts";

Deno.test("a request line's parts are found", () => {
  const scan = new RequestScanner(MESSAGE_LIMITS_DEFAULT);
  const bytes = wireBytes("PATCH /x?y HTTP/1.0\r\n\r\n");
  assertEquals(scan.read(bytes, 0, bytes.length), bytes.length);
  assertEquals([scan.methodEnd, scan.targetEnd, scan.minorVersion], [5, 10, 0]);
});

Deno.test("a status line's parts are found", () => {
  const scan = new ResponseScanner(MESSAGE_LIMITS_DEFAULT);
  const bytes = wireBytes("HTTP/1.1 404 Not here\r\n\r\n");
  assertEquals(scan.read(bytes, 0, bytes.length), bytes.length);
  assertEquals([scan.status, scan.reasonStart, scan.reasonEnd, scan.minorVersion], [404, 13, 21, 1]);
});

Deno.test("a version in parts cannot begin twice", () => {
  // The shortcut for a whole version must not be taken within one.
  const scan = new RequestScanner(MESSAGE_LIMITS_DEFAULT);
  const bytes = wireBytes("GET / HTTPHTTP/1.1\r\n");
  scan.read(bytes, 0, 10);
  assertEquals(scan.read(bytes, 10, bytes.length), REFUSED);
  assertEquals(scan.refusal, "version-syntax");
});

Deno.test("a byte changed anywhere in the version is refused", () => {
  const line = "GET / HTTP/1.1\r\n\r\n";
  for (let i = 6; i < 14; i++) {
    for (let byte = 0; byte < 256; byte++) {
      const bytes = wireBytes(line);
      if (bytes[i] === byte) continue;
      bytes[i] = byte;
      const scan = new RequestScanner(MESSAGE_LIMITS_DEFAULT);
      const isDigit = byte >= 0x30 && byte <= 0x39;
      const isRead = scan.read(bytes, 0, bytes.length) !== REFUSED;
      assertEquals(isRead, i === 13 && isDigit, `byte ${byte} at ${i}`);
      if (i === 11 && isDigit) assertEquals(scan.refusal, "version-unsupported");
    }
  }
});

import { assertEquals, assertThrows } from "@std/assert";
import { FieldsView } from "../../../server/http1/fields.ts";
import { LocalProtocolError } from "../../../server/http1/errors.ts";
import { AT_LINE, SectionScanner } from "../../../server/http1/section_scanner.ts";
import { wireBytes } from "../../vectors/vector.ts";

/** A view on field lines, not at the beginning of their buffer. */
function view(lines: string): FieldsView {
  const scanner = new SectionScanner(AT_LINE, 10_000, 100, "headers-too-large", "too-many-headers");
  const bytes = wireBytes(`....${lines}\r\n`);
  scanner.read(bytes, 4, bytes.length);
  const fields = new FieldsView();
  fields.lend(scanner.source, scanner.base, scanner.offsets, scanner.count);
  return fields;
}

Deno.test("lines are read by index, names in lower case, values trimmed", () => {
  const fields = view("Content-Type:  text/plain \r\nX-Own: 1\r\n");
  assertEquals(fields.count, 2);
  assertEquals([fields.nameAt(0), fields.valueAt(0)], ["content-type", "text/plain"]);
  assertEquals([fields.nameAt(1), fields.valueAt(1)], ["x-own", "1"]);
});

Deno.test("lines are found by name, whatever the case sent", () => {
  const fields = view("A: 1\r\nb: 2\r\na: 3\r\nAB: 4\r\n");
  assertEquals([fields.get("a"), fields.get("b"), fields.get("ab"), fields.get("c")], ["1", "2", "4", null]);
  assertEquals(fields.getAll("a"), ["1", "3"]);
  assertEquals(fields.getAll("c"), []);
  assertEquals([fields.has("ab"), fields.has("abc"), fields.has("")], [true, false, false]);
});

Deno.test("an empty value is not a missing one", () => {
  assertEquals(view("a:\r\n").get("a"), "");
});

Deno.test("a line that is not there is a RangeError", () => {
  const fields = view("a: 1\r\n");
  for (const index of [-1, 1, NaN]) {
    assertThrows(() => fields.valueAt(index), RangeError);
    assertThrows(() => fields.nameAt(index), RangeError);
  }
});

Deno.test("no lines at all", () => {
  const fields = view("");
  assertEquals([fields.count, fields.get("a")], [0, null]);
});

Deno.test("after the loan nothing can be read", () => {
  const fields = view("a: 1\r\n");
  fields.release();
  assertEquals(fields.count, 0);
  for (
    const read of [
      () => fields.get("a"),
      () => fields.has("a"),
      () => fields.getAll("a"),
      () => fields.nameAt(0),
    ]
  ) {
    assertThrows(read, LocalProtocolError, "on loan");
  }
});

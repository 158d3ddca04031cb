import { assertEquals, assertThrows } from "@std/assert";
import { copyFields, type FieldLine } from "../../server/reply_fields.ts";

Deno.test("records, pairs, maps and Headers are copied in order, names in lower case", () => {
  const expected: FieldLine[] = [["b-c", "1"], ["a", "2"]];
  assertEquals(copyFields({ "B-C": "1", "a": "2" }, null), expected);
  assertEquals(copyFields([["B-C", "1"], ["a", "2"]], null), expected);
  assertEquals(copyFields(new Map([["B-C", "1"], ["a", "2"]]) as unknown as HeadersInit, null), expected);
  assertEquals(
    copyFields([new Set(["B-C", "1"]), ["a", "2"]] as unknown as [string, string][], null),
    expected,
  );
  assertEquals(copyFields(new Headers({ a: "2", "B-C": "1" }), null), [["a", "2"], ["b-c", "1"]]);
  assertEquals(copyFields(undefined, null), []);
});

Deno.test("repeated fields stay apart", () => {
  assertEquals(copyFields([["a", "1"], ["A", "2"]], null), [["a", "1"], ["a", "2"]]);
});

Deno.test("the default content type is added unless there is one, in any case", () => {
  assertEquals(copyFields({ a: "1" }, "text/plain"), [["a", "1"], ["content-type", "text/plain"]]);
  assertEquals(copyFields({ "Content-Type": "a/b" }, "text/plain"), [["content-type", "a/b"]]);
  assertEquals(copyFields({ "Content-Type": "" }, "text/plain"), [["content-type", ""]]);
});

Deno.test("values are strings without blanks around, as Headers has them", () => {
  const values = ["", " ", "a", " a ", "\t\r\n a b \n", "caf\u00e9", 5, true, null, undefined];
  for (const value of values) {
    const init = { x: value as string };
    assertEquals(copyFields(init, null)[0]?.[1], new Headers(init).get("x"), String(value));
  }
});

Deno.test("only own members of a record count", () => {
  assertEquals(
    copyFields(Object.create({ inherited: "1" }, { own: { value: "2", enumerable: true } }), null),
    [["own", "2"]],
  );
});

Deno.test("what could break a line is refused, wherever it stands", () => {
  for (const value of ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "a\x7fb", "\u0130", "a\x01"]) {
    assertThrows(() => copyFields({ x: value }, null), TypeError, "no header may carry");
  }
  for (const name of ["", " ", "a ", "a:b", "a\r\n", "\u00e9", "a\0"]) {
    assertThrows(() => copyFields({ [name]: "x" }, null), TypeError, "is no token");
  }
});

Deno.test("what is no pair is refused", () => {
  for (const entry of [["a"], ["a", "b", "c"], 5, null, {}]) {
    assertThrows(() => copyFields([entry] as never, null), TypeError, "no pair");
  }
  assertThrows(() => copyFields("a: b" as never, null), TypeError, "neither an object nor iterable");
});

import { assert, assertEquals } from "@std/assert";
import { PAGE_STYLE } from "../../../server/page/page_style.ts";

Deno.test("the style sheet's braces match, it loads nothing, and it closes no element", () => {
  assertEquals(PAGE_STYLE.split("{").length, PAGE_STYLE.split("}").length);
  assert(!/@import|url\(|<\/style/i.test(PAGE_STYLE));
});

Deno.test("every custom property that is used is defined", () => {
  const used = new Set([...PAGE_STYLE.matchAll(/var\((--[\w-]+)\)/g)].map((match) => match[1]));
  const defined = new Set([...PAGE_STYLE.matchAll(/(--[\w-]+):/g)].map((match) => match[1]));
  assertEquals([...used].filter((name) => !defined.has(name)), []);
});

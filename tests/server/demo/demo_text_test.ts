import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { demoTokens, seedOf } from "../../../server/demo/demo_text.ts";

Deno.test("the same prompt gives the same text, another one another", () => {
  const text = (prompt: string) => demoTokens(seedOf(prompt), 50).join("");
  assertEquals(text("hello"), text("hello"));
  assertNotEquals(text("hello"), text("hello!"));
});

Deno.test("a seed is never 0, from which the generator could not get away", () => {
  for (const text of ["", "a", "流れ", "x".repeat(10_000)]) {
    assert(seedOf(text) > 0 && seedOf(text) < 2 ** 32);
  }
});

Deno.test("the text reads like sentences and has characters of one to four bytes, in pairs and sequences", () => {
  const text = demoTokens(seedOf("characters"), 2_000).join("");
  assert(/^\p{L}|\p{Emoji}/u.test(text));
  assert(text.includes(". "));
  for (const piece of ["ï", "流れ", "🌊", "👩‍💻"]) assert(text.includes(piece), piece);
  assert(!text.includes("\ufffd"), "nothing was cut in the middle");
});

Deno.test("a longer text begins like a shorter one", () => {
  const seed = seedOf("prefix");
  assertEquals(demoTokens(seed, 100).slice(0, 10), demoTokens(seed, 10));
});

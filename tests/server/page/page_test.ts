import { assert, assertEquals } from "@std/assert";
import { PAGE_CSP, PAGE_HTML } from "../../../server/page/page.ts";

Deno.test("the page is whole and asks for nothing from elsewhere", () => {
  assert(PAGE_HTML.startsWith("<!doctype html>") && PAGE_HTML.trimEnd().endsWith("</html>"));
  const outside = [...PAGE_HTML.matchAll(/(?:src|href|url\()\s*=?\s*["']?((?:https?:)?\/\/[^"')\s]+)/g)];
  assertEquals(outside.map((match) => match[1]), []);
});

Deno.test("the policy lets the page do what it does, and no other origin anything", () => {
  const policy = new Map(PAGE_CSP.split("; ").map((part) => [part.split(" ")[0], part]));
  assertEquals(policy.get("default-src"), "default-src 'none'");
  assertEquals(policy.get("connect-src"), "connect-src 'self'");
  assert(!/https?:|\*/.test(PAGE_CSP));
});

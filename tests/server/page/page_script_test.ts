import { assert, assertEquals } from "@std/assert";
import { PAGE_HTML } from "../../../server/page/page.ts";
import { PAGE_SCRIPT } from "../../../server/page/page_script.ts";

Deno.test("the script parses, and closes no element of the page that holds it", () => {
  new Function(PAGE_SCRIPT); // throws SyntaxError if it does not parse
  assert(!/<\/script|<!--/i.test(PAGE_SCRIPT));
});

Deno.test("every element the script looks for is in the page", () => {
  const wanted = new Set([...PAGE_SCRIPT.matchAll(/\bat\("([\w-]+)"\)/g)].map((match) => match[1]));
  const present = new Set([...PAGE_HTML.matchAll(/\bid="([\w-]+)"/g)].map((match) => match[1]));
  assert(wanted.size > 5);
  assertEquals([...wanted].filter((id) => !present.has(id)), []);
});

Deno.test("text from the network is never made into markup", () => {
  assert(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/.test(PAGE_SCRIPT));
});

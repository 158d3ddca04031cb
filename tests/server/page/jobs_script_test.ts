import { assert, assertEquals } from "@std/assert";
import { JOBS_SCRIPT } from "../../../server/page/jobs_script.ts";
import { PAGE_HTML } from "../../../server/page/page.ts";
import { PAGE_SCRIPT } from "../../../server/page/page_script.ts";

Deno.test("the script parses after the page's own, and closes no element of the page that holds it", () => {
  new Function(PAGE_SCRIPT + JOBS_SCRIPT); // throws SyntaxError if it does not parse, or declares a name twice
  assert(!/<\/script|<!--/i.test(JOBS_SCRIPT));
});

Deno.test("every element the script looks for is in the page", () => {
  const wanted = new Set([...JOBS_SCRIPT.matchAll(/\bat\("([\w-]+)"\)/g)].map((match) => match[1]));
  const present = new Set([...PAGE_HTML.matchAll(/\bid="([\w-]+)"/g)].map((match) => match[1]));
  assert(wanted.size > 4);
  assertEquals([...wanted].filter((id) => !present.has(id)), []);
});

Deno.test("text from the network is never made into markup", () => {
  assert(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/.test(JOBS_SCRIPT));
});

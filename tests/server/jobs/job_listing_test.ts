import { assert, assertEquals } from "@std/assert";
import { JobEntry } from "../../../server/jobs/job_entry.ts";
import { JobListing } from "../../../server/jobs/job_listing.ts";
import { checkNewJob } from "../../../server/jobs/new_job.ts";

const entry = (order: number, runner = "r") =>
  new JobEntry(`j${order}`, order, checkNewJob({ runner, input: "1" }, 9), 0, 0);

Deno.test("a page looks at so many jobs only, and the next one goes on", () => {
  const listing = new JobListing();
  for (let order = 1; order <= 10_000; order++) listing.add(entry(order, order === 5 ? "rare" : "r"));
  let pages = 0;
  let cursor: string | null = null;
  const found: string[] = [];
  do {
    const page = listing.page({ runner: "rare", limit: 10, ...(cursor !== null && { cursor }) });
    found.push(...page.jobs.map(({ id }) => id));
    cursor = page.next;
    pages++;
  } while (cursor !== null);
  assertEquals([found, pages], [["j5"], 5]);
});

Deno.test("jobs that are gone are left out, before and after the list is moved together", () => {
  const listing = new JobListing();
  const entries = Array.from({ length: 300 }, (_, index) => entry(index + 1));
  for (const each of entries) listing.add(each);
  const cursor = listing.page({ limit: 10 }).next!;
  for (const each of entries) if (each.order % 3 !== 0) listing.remove(each);
  const { jobs, next } = listing.page({ limit: 1_000, cursor });
  assertEquals(
    jobs.map(({ id }) => id),
    entries.filter(({ order }) => order % 3 === 0 && order <= 290).map(({ id }) => id).reverse(),
  );
  assertEquals(next, null);
  listing.clear();
  assert(listing.page({ limit: 1 }).jobs.length === 0);
});

/** Ten thousand jobs that wait, wave after wave: what they hold is little, and is given back. */
import { assert, assertEquals } from "@std/assert";
import type { JobsStats } from "../../server/jobs/jobs_stats.ts";
import { spawnChild } from "../support/spawn_child.ts";

const JOBS = 10_000;
/** Heap of one job that waits, its record, attempt, timers and story included. Measured: 4.3 KiB. */
const JOB_BYTES_MAX = 8 * 1024;
/** What may be left over from one wave to the next: the stories and records that are kept differ a little. */
const WAVE_BYTES_MAX = 8 * 1024 * 1024;

Deno.test("10,000 jobs that wait cost some kilobytes each, renew their leases, and leave nothing behind", async () => {
  await using child = spawnChild("deno", [
    "run",
    "-A",
    "--v8-flags=--expose-gc",
    new URL("support/jobs_child.ts", import.meta.url).pathname,
  ]);
  const [, url] = await child.stdout.match(/listening on (http:\/\/\S+) /);
  const post = async (path: string): Promise<JobsStats> =>
    await (await fetch(`${url}${path}`, { method: "POST" })).json();
  const heap = async (): Promise<number> => (await (await fetch(`${url}/heap`)).json()).heapUsed;
  const wave = async (): Promise<number> => {
    const filled = await post(`/fill?count=${JOBS}`);
    assertEquals(filled.runners["wait"]!.running, JOBS);
    await post("/tick");
    const waiting = await heap();
    const gone = await post("/go");
    assertEquals([gone.expired, gone.storeFailures, gone.storyFailures], [0, 0, 0]);
    return waiting;
  };
  await wave(); // code is compiled, and the log has what it keeps of jobs that are over
  const before = await heap();
  const first = await wave();
  const perJob = (first - before) / JOBS;
  assert(perJob < JOB_BYTES_MAX, `${Math.round(perJob)} bytes of heap per job`);
  const between = await heap();
  let last = first;
  for (let n = 0; n < 2; n++) last = await wave();
  const after = await heap();
  assert(last - first < WAVE_BYTES_MAX, `waiting: from ${first} to ${last} bytes`);
  assert(after - between < WAVE_BYTES_MAX, `over: from ${between} to ${after} bytes`);
});

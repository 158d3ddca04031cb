/**
 * What every job store promises (`server/jobs/job_store.ts`), as tests: each store's own test file calls `testJobStore`.
 *
 * A store is opened small (`SMALL`), so that its bounds are reached quickly, and through promises, whichever way it answers.
 */
import { testClaims, testLife, testOrder, testRetries } from "./job_store/claims.ts";
import type { JobStoreKind, Register } from "./job_store/harness.ts";
import { testBounds, testCancelling, testKeys, testRandomly, testWaiting } from "./job_store/limits.ts";
import { testTorture } from "./job_store/torture.ts";

export { type JobStoreKind, type JobStoreUnderTest, SMALL } from "./job_store/harness.ts";

/** Registers the contract's tests for one kind of store. */
export function testJobStore(kind: JobStoreKind): void {
  const test: Register = (name, run) =>
    Deno.test(`${kind.name}: ${name}`, async () => {
      const under = await kind.open();
      try {
        await run(under);
      } finally {
        await under.store.close();
      }
    });
  testLife(test);
  testOrder(test);
  testClaims(test);
  testRetries(test);
  testCancelling(test);
  testKeys(test);
  testBounds(test);
  testWaiting(test);
  testRandomly(test);
  testTorture(kind);
}

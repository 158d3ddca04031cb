import { assertEquals } from "@std/assert";
import * as errors from "../../../server/jobs/errors.ts";

Deno.test("each error has a name, a code, a status, its data, and says what it is about", () => {
  const all: [errors.JobError, string, number, RegExp][] = [
    [new errors.JobQueueFullError("queuedMax", 7), "SLUICE_JOB_QUEUE_FULL", 503, /7 jobs/],
    [new errors.JobQueueFullError("bytesMax", 7), "SLUICE_JOB_QUEUE_FULL", 503, /7 bytes/],
    [new errors.JobTooLargeError("input", 7), "SLUICE_JOB_TOO_LARGE", 413, /input.* 7 bytes/],
    [new errors.JobKeyReusedError("k"), "SLUICE_JOB_KEY_REUSED", 422, /"k"/],
    [new errors.StaleClaimError("j1", "Cannot renew"), "SLUICE_JOB_STALE_CLAIM", 409, /Cannot renew job j1/],
    [new errors.JobStoreClosedError("Cannot get"), "SLUICE_JOB_STORE_CLOSED", 503, /Cannot get.*closed/],
    [new errors.UnknownRunnerError("x", ["a", "b"]), "SLUICE_JOB_UNKNOWN_RUNNER", 400, /"x".*a, b/],
    [new errors.JobRejectedError("no"), "SLUICE_JOB_REJECTED", 400, /no/],
    [new errors.JobCancelledError(), "SLUICE_JOB_CANCELLED", 409, /cancelled/],
    [new errors.JobTimeoutError(5), "SLUICE_JOB_TIMEOUT", 504, /5 ms/],
    [new errors.JobsStoppingError(), "SLUICE_JOBS_STOPPING", 503, /stopping/],
  ];
  for (const [error, code, status, message] of all) {
    assertEquals([error.code, error.status, error.name], [code, status, error.constructor.name]);
    assertEquals(message.test(error.message), true, error.message);
  }
});

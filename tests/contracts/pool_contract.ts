/**
 * The contract of pool/pool_contract.ts as tests: pools of threads and of processes run it, on every runtime.
 *
 * @module
 */
import { pooledCalls } from "./pool/calls.ts";
import { pooledCrashes } from "./pool/crashes.ts";
import { pooledScheduling } from "./pool/scheduling.ts";
import { pooledStops } from "./pool/stops.ts";
import { pooledStreams } from "./pool/streams.ts";
import { pooledTorture } from "./pool/torture.ts";
import type { Isolation } from "../../pool/mod.ts";

/** Registers the tests. @param isolation what contains the tasks */
export function poolContract(isolation: Isolation): void {
  pooledCalls(isolation);
  pooledStreams(isolation);
  pooledStops(isolation);
  pooledCrashes(isolation);
  pooledScheduling(isolation);
  pooledTorture(isolation);
}

/**
 * Sockets that were handed over at the start of the process: systemd's socket activation (sd_listen_fds(3)).
 *
 * @module
 */
import { processId, readEnv } from "./runtime.ts";

/** The first descriptor handed over: those below are the standard streams. */
const FIRST_DESCRIPTOR = 3;

/** Descriptors a process may be handed; more is taken for a mistake. No unit file lists nearly as many sockets. */
const DESCRIPTORS_MAX = 1_024;

/**
 * The descriptors of the listening sockets that this process was handed, in the order of the unit file.
 *
 * They are for this process only if `LISTEN_PID` names it: a child that merely inherited the variables has none. On Deno,
 * reading `LISTEN_FDS` and `LISTEN_PID` must be permitted; nobody is asked.
 *
 * @returns descriptors from 3 on; none where nothing was handed over
 *
 * @example
 * ```ts
 * import { inheritedDescriptors, Reply, serve } from "@sluice/kit";
 *
 * const [fd] = inheritedDescriptors();
 * const server = serve(fd === undefined ? { port: 0 } : { fd }, () => new Reply("hello"));
 * await server.shutdown();
 * ```
 */
export function inheritedDescriptors(): readonly number[] {
  const [count, pid] = [readEnv("LISTEN_FDS"), readEnv("LISTEN_PID")];
  if (count === null || pid === null || pid !== String(processId())) return [];
  if (!/^[0-9]{1,4}$/.test(count) || Number(count) > DESCRIPTORS_MAX) return [];
  return Array.from({ length: Number(count) }, (_, index) => FIRST_DESCRIPTOR + index);
}

/** How much memory a process holds, as Linux counts it (proc(5), `/proc/<pid>/status`). */

/** Resident set size of a process, in bytes. */
export function rssBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The largest resident set size a process has had, in bytes, since it began or since `resetPeakRss`. */
export function peakRssBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** Makes the present size of a process the start of its next peak (`/proc/<pid>/clear_refs`, value 5). */
export function resetPeakRss(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

function statusBytes(pid: number, field: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  if (kib === undefined) throw new RangeError(`Cannot read ${field} of process ${pid}: it has ended`);
  return Number(kib) * 1024;
}

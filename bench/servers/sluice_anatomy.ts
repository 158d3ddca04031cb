/**
 * The fan-out bench's server, which also says where its memory is: each line on its standard input (`look`, or `collect`
 * to collect garbage first) is answered with a line `memory {…}`, an `Anatomy`.
 *
 * Run it on Deno with all permissions and `--v8-flags=--expose-gc`.
 *
 * @module
 */
import { getHeapSpaceStatistics } from "node:v8";
import "./sluice_fanout.ts";

/** Where a process's resident memory is; MiB. */
export interface Anatomy {
  /** All of it. */
  readonly resident: number;
  /** V8's young generation, both halves, whether in use or kept for later. */
  readonly young: number;
  /** The rest of V8's heap with what is free in it. */
  readonly old: number;
  /** Of both together: objects that are reachable or not collected yet. */
  readonly objects: number;
  /** What malloc gave out: V8's compiler and collector, the runtime, buffers' contents. */
  readonly malloced: number;
  /** What malloc holds in its arenas' pages, in use or not. */
  readonly mallocPages: number;
  /** Pages of the program's and the libraries' files. */
  readonly files: number;
  /** The rest: rings, receive buffers and send arena of `uring`, stacks. */
  readonly others: number;
}

const MIB = 1024 * 1024;
/** glibc maps an arena of a thread at a multiple of this, and never lets it grow beyond it (malloc/arena.c). */
const ARENA_BYTES = 64 * MIB;

const { symbols } = Deno.dlopen("libc.so.6", {
  // struct mallinfo2 (mallinfo(3)): ten size_t, of which the eighth is what is in use.
  mallinfo2: { parameters: [], result: { struct: Array<"usize">(10).fill("usize") } },
});

/** One mapping of `/proc/self/smaps` (proc(5)). */
interface Mapping {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  readonly access: string;
  readonly residentBytes: number;
}

function mappings(): Mapping[] {
  const pattern = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)\n(?:[A-Z].*\n)*?Rss: +(\d+) kB/gm;
  return [...Deno.readTextFileSync("/proc/self/smaps").matchAll(pattern)]
    .map(([, start = "", end = "", access = "", name = "", kib]) => ({
      start: parseInt(start, 16),
      end: parseInt(end, 16),
      access,
      name,
      residentBytes: Number(kib) * 1024,
    }));
}

/** Whether a mapping is the used part of a thread's arena: what follows up to its end is reserved, and inaccessible. */
function isArena({ start, end, name }: Mapping, next: Mapping | undefined): boolean {
  return start % ARENA_BYTES === 0 && name === "" && next?.access === "---p" && next.start === end &&
    next.end === start + ARENA_BYTES;
}

function look(): Anatomy {
  const { rss, heapUsed } = Deno.memoryUsage();
  const spaces = getHeapSpaceStatistics();
  const physical = (isYoung: boolean) =>
    spaces.filter(({ space_name }) => space_name.startsWith("new_") === isYoung)
      .reduce((sum, { physical_space_size }) => sum + physical_space_size, 0);
  const mapped = mappings();
  const residentOf = (isPart: (mapping: Mapping, index: number) => boolean) =>
    mapped.filter(isPart).reduce((sum, { residentBytes }) => sum + residentBytes, 0);
  const figures = {
    resident: rss,
    young: physical(true),
    old: physical(false),
    objects: heapUsed,
    malloced: Number(new BigUint64Array(symbols.mallinfo2().slice().buffer)[7]),
    mallocPages: residentOf((mapping, index) =>
      mapping.name === "[heap]" || isArena(mapping, mapped[index + 1])
    ),
    files: residentOf(({ name }) => name.startsWith("/")),
  };
  const { resident, young, old, mallocPages, files } = figures;
  const others = resident - young - old - mallocPages - files;
  return Object.fromEntries(
    Object.entries({ ...figures, others }).map(([name, bytes]) => [name, bytes / MIB]),
  ) as unknown as Anatomy;
}

const { gc } = globalThis as { gc?: () => void };
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  for (const line of text.split("\n")) {
    if (line === "collect") {
      gc?.();
      gc?.(); // What was only kept by a finalizer goes the second time.
    }
    if (line !== "") console.log(`memory ${JSON.stringify(look())}`);
  }
}

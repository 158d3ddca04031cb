/**
 * `bench/torture.ts [--minutes 10] [--selectors uring,uring-usual,epoll,native,http-uring,http-epoll,http-native]`, part of `deno task soak`:
 * selectors, and HTTP on them, under torture for long.
 *
 * The torture of the tests (connections written to, half-closed, reset and abandoned at random, every byte checked) goes on with
 * one seed after the other, every fourth on a Unix socket; `uring` with tiny rings and little memory as well, and all of it guarded. With `http-` before its name, a selector has servers, a gateway and their clients on it
(`tests/server/torture/torture.ts`). In the end descriptors,
 * slots and memory to send from must be what they were, and resident memory flat: the median of its last quarter against
 * that of its second. Exits 1 if it is not so.
 *
 * @module
 */
import { openEpoll } from "../io/selectors/epoll.ts";
import { openNativeDeno } from "../io/selectors/native_deno.ts";
import { openUring, type UringOptions } from "../io/selectors/uring.ts";
import type { Selector } from "../io/selector.ts";
import { torture } from "../tests/contracts/selector/torture.ts";
import { tortureHttp } from "../tests/server/torture/torture.ts";
import { rssBytes } from "../tests/support/rss.ts";
import { flags } from "./support/command_line.ts";
import { median } from "./support/report.ts";

/** How much more memory may be in use at the end: below this, garbage that is not collected yet looks like growth. */
const GROWTH_BYTES_MAX = 16 * 1024 * 1024;
/** Connections of one seed: some seconds of torture. */
const CONNECTIONS = 300;
/** Connections at once: more than there are buffers and places. */
const OPEN_MAX = 60;

/** The same for HTTP, whose connections do more. */
const HTTP_CONNECTIONS = 100;
const HTTP_OPEN_MAX = 25;

/** 3 s: by then the compilers have done most of their work, too. */
const WARM_UP_MS = 3_000;

/** A selector, and what is wrong with it now; `null` when nothing is. */
interface Victim {
  readonly selector: Selector;
  fault(): string | null;
}

function makeUring(sizes: UringOptions): Victim {
  const selector = openUring({ isGuarded: true, ...sizes });
  const { arenaBytes } = selector.stats;
  return {
    selector,
    fault: () => {
      if (selector.breaches.length > 0) return selector.breaches.map(({ message }) => message).join("; ");
      const { slots, arenaBytes: used, pinnedChunks } = selector.stats;
      const isBack = slots === 0 && used === arenaBytes && pinnedChunks === 0;
      return isBack ? null : JSON.stringify(selector.stats);
    },
  };
}

const VICTIMS: Readonly<Record<string, () => Victim>> = {
  uring: () =>
    makeUring({
      ring: { entries: 16, completions: 16 },
      buffers: { count: 8, bytes: 1_000 },
      arenaBytes: 1 << 20,
    }),
  "uring-usual": () => makeUring({}),
  epoll: () => ({ selector: openEpoll(), fault: () => null }),
  native: () => ({ selector: openNativeDeno(), fault: () => null }),
};

/** One seed of torture; returns what there was of everything. */
type Torturer = (selector: Selector, seed: number, folder: string) => Promise<object>;

const ofBytes: Torturer = (selector, seed, folder) =>
  torture(selector, {
    seed,
    connections: CONNECTIONS,
    openMax: OPEN_MAX,
    ...(seed % 4 === 3 ? { path: `${folder}/${seed}.sock` } : {}),
  });

const ofHttp: Torturer = (selector, seed) =>
  tortureHttp(selector, { seed, connections: HTTP_CONNECTIONS, openMax: HTTP_OPEN_MAX });

/** What a kind's name begins with if it is HTTP that is tortured. */
const HTTP = "http-";

/** Collects garbage, with `--v8-flags=--expose-gc`: what is left is in use. */
const collect = (globalThis as { gc?: () => void }).gc;

function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** What is open now, for a fault's message. */
async function listDescriptors(): Promise<string> {
  const names: string[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    names.push(`${name} ${await Deno.readLink(`/proc/self/fd/${name}`).catch(() => "(closed)")}`);
  }
  return names.join(", ");
}

async function torment(kind: string, milliseconds: number): Promise<string[]> {
  const openVictim = VICTIMS[kind.replace(HTTP, "")]!;
  const tortureOne = kind.startsWith(HTTP) ? ofHttp : ofBytes;
  const folder = await Deno.makeTempDir({ prefix: "sluice-torture-" });
  const warmUp = openVictim(); // The runtime opens descriptors of its own when they are first needed, or a second later.
  for (const until = performance.now() + WARM_UP_MS; performance.now() < until;) {
    await tortureOne(warmUp.selector, 0, folder);
  }
  await warmUp.selector.close();
  const before = descriptors();
  const { selector, fault } = openVictim();
  const faults: string[] = [];
  const rss: number[] = [];
  const totals: Record<string, number> = {};
  let seeds = 0;
  const until = performance.now() + milliseconds;
  while (performance.now() < until && faults.length === 0) {
    const seed = seeds++;
    try {
      for (const [name, count] of Object.entries(await tortureOne(selector, seed, folder))) {
        totals[name] = (totals[name] ?? 0) + count;
      }
      const found = fault();
      if (found !== null) faults.push(`seed ${seed}: ${found}`);
    } catch (error) {
      faults.push(`seed ${seed}: ${error instanceof Error ? error.message : error}`);
    }
    collect?.();
    rss.push(rssBytes(Deno.pid));
  }
  await selector.close();
  await Deno.remove(folder, { recursive: true });
  for (let i = 0; i < 100 && descriptors() !== before; i++) { // The runtime closes its sockets in passes of its own.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const after = descriptors();
  if (after !== before) {
    faults.push(`${after - before} descriptors more than before: ${await listDescriptors()}`);
  }
  const quarter = Math.floor(rss.length / 4);
  const growth = quarter < 2 ? 0 : median(rss.slice(-quarter)) - median(rss.slice(quarter, 2 * quarter));
  if (growth > GROWTH_BYTES_MAX) faults.push(`resident memory grew by ${Math.round(growth / 1024)} KiB`);
  console.log(`${kind}: ${JSON.stringify({ seeds, ...totals, growthKiB: Math.round(growth / 1024) })}`);
  return faults;
}

const { minutes, selectors } = flags(Deno.args, {
  minutes: "10",
  selectors: "uring,uring-usual,epoll,native,http-uring,http-epoll,http-native",
});
const kinds = selectors.split(",");
for (const kind of kinds) {
  if (!Object.hasOwn(VICTIMS, kind.replace(HTTP, ""))) {
    const accepted = Object.keys(VICTIMS).join(", ");
    throw new RangeError(`Cannot torture "${kind}": accepted are ${accepted}, and these with ${HTTP} before`);
  }
  const faults = await torment(kind, Number(minutes) * 60_000 / kinds.length);
  for (const found of faults) console.error(`${kind}: ${found}`);
  if (faults.length > 0) Deno.exit(1);
}

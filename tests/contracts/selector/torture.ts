/**
 * Connections opened, written to, half-closed, reset and abandoned at random, by one selector that has both ends: the
 * torture that every descriptor, slot and piece of memory must come back from.
 *
 * What is sent are frames: length, seed, and bytes that follow from the seed. So every byte that arrives is checked,
 * wherever a connection breaks off, and a piece of memory that was used for another connection too early is found. Who hears
 * the end must have heard all that was written before it, and who did not end a connection itself hears either its end or why it broke.
 * Everything at random follows from one seed.
 *
 * @module
 */
import { assertGreater } from "@std/assert";
import type { Protocol, Selector, Transport } from "../../../io/selector.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import { Prng } from "../../../io/testing/prng.ts";
import { forSeeds } from "../../support/seeds.ts";
import { type Subject, target } from "./harness.ts";

/** Connections of each seed in the contract: half a second. */
const CONNECTIONS = 60;
/** Connections at once. */
const OPEN_MAX = 20;

/** Length and seed. */
const HEAD_BYTES = 8;

/** The selector contract, by chance: it holds whatever both ends of many connections do, on TCP and on Unix sockets. */
export function tortureContract({ abilities, test }: Subject): void {
  const { endsWhatFails: isEndIgnored = false } = abilities;
  const options = { connections: CONNECTIONS, openMax: OPEN_MAX, isEndIgnored };
  test("under torture every byte is its own, and every end comes after all of them", async (selector) => {
    await forSeeds("under torture", 2, async (seed) => {
      assertGreater((await torture(selector, { ...options, seed })).frames, CONNECTIONS / 4);
      if (!abilities.hasSockets) return;
      const path = `${await Deno.makeTempDir()}/torture.sock`;
      assertGreater((await torture(selector, { ...options, seed, path })).frames, CONNECTIONS / 4);
    });
  });
}

/** How much torture. */
export interface TortureOptions {
  readonly seed: number;
  /** Connections in all. */
  readonly connections: number;
  /** Connections at once. */
  readonly openMax: number;
  /** Where to listen instead of on a port: a Unix socket. It knows no reset, so aborts are closes until all is over. */
  readonly path?: string;
  /** Whether an end may come too early: of connections that the runtime fails. Default false. */
  readonly isEndIgnored?: boolean;
  /** Called between steps; returning `true` ends it before all connections were made. */
  readonly isOver?: () => boolean;
}

/** What happened. */
export interface TortureReport {
  readonly connections: number;
  readonly frames: number;
  readonly bytes: number;
  readonly resets: number;
}

/** What the torture keeps count of, and what it found wrong. */
class Ledger {
  connections = 0;
  frames = 0;
  bytes = 0;
  resets = 0;
  readonly faults: string[] = [];
  readonly open = new Set<End>();
  /** The last end of each pair of ports. */
  readonly byPorts = new Map<string, End>();
  /** Whether what is open is ended by force. */
  isOver = false;
  readonly isUnix: boolean;
  readonly isEndIgnored: boolean;

  constructor({ path, isEndIgnored = false }: TortureOptions) {
    this.isUnix = path !== undefined;
    this.isEndIgnored = isEndIgnored;
  }
}

/** The byte at `index` of the frame with `seed`. */
function byteOf(seed: number, index: number): number {
  return (Math.imul(seed + index, 0x9e3779b1) >>> 24) & 0xff;
}

function makeFrame(seed: number, length: number): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES + length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, length, true);
  view.setUint32(4, seed, true);
  for (let index = 0; index < length; index++) frame[HEAD_BYTES + index] = byteOf(seed, index);
  return frame;
}

/** One end of a connection. */
class End implements Protocol {
  transport: Transport | null = null;
  readonly #ledger: Ledger;
  readonly #staysOpen: boolean;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #headUsed = 0;
  #seed = 0;
  #index = 0;
  #left = 0;
  isPaused = false;
  /** Whether it was told to send no more: by `closeWrite`, `close` or `abort`. */
  isWriteClosed = false;
  /** Whether it was closed or aborted from here. */
  isClosed = false;
  isAborted = false;
  written = 0;
  #received = 0;
  #hasEnded = false;
  #peer: End | null = null;

  constructor(ledger: Ledger, staysOpen: boolean) {
    this.#ledger = ledger;
    this.#staysOpen = staysOpen;
  }

  opened(transport: Transport): void {
    this.transport = transport;
    this.#ledger.open.add(this);
    const { localAddr, remoteAddr } = transport;
    if (localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") return;
    this.#ledger.byPorts.set(`${localAddr.port} ${remoteAddr.port}`, this);
    const peer = this.#ledger.byPorts.get(`${remoteAddr.port} ${localAddr.port}`);
    if (peer === undefined || peer.#peer !== null) return;
    this.#peer = peer;
    peer.#peer = this;
  }

  received(bytes: Uint8Array): void {
    this.#ledger.bytes += bytes.length;
    this.#received += bytes.length;
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) {
        this.#head[this.#headUsed++] = bytes[at++]!;
        if (this.#headUsed === HEAD_BYTES) this.#beginFrame();
        continue;
      }
      const end = Math.min(bytes.length, at + this.#left);
      this.#left -= end - at;
      for (; at < end; at++, this.#index++) {
        if (bytes[at] !== byteOf(this.#seed, this.#index)) {
          this.#ledger.faults.push(
            `byte ${this.#index} of the frame with seed ${this.#seed} is ${bytes[at]}`,
          );
          return this.abort();
        }
      }
    }
  }

  ended(): boolean {
    this.#hasEnded = true;
    const peer = this.#peer;
    if (this.#ledger.isOver || this.#ledger.isEndIgnored) return this.#staysOpen;
    if (this.#left > 0 || this.#headUsed > 0) {
      this.#ledger.faults.push(`the end came with ${this.#left} bytes of a frame to come`);
    } else if (peer !== null && !peer.isAborted && peer.written !== this.#received) {
      this.#ledger.faults.push(`the end came after ${this.#received} of ${peer.written} bytes`);
    }
    return this.#staysOpen;
  }

  pauseWriting(): void {
    this.isPaused = true;
  }

  resumeWriting(): void {
    this.isPaused = false;
  }

  closed(reason: Error | null): void {
    if (reason !== null) this.#ledger.resets++;
    else if (!this.isClosed && !this.#hasEnded) this.#ledger.faults.push("closed came without end or reason");
    if (!this.#ledger.open.delete(this)) this.#ledger.faults.push("closed came for what was not open");
  }

  write(frame: Uint8Array): void {
    this.written += frame.length;
    this.transport!.write(frame);
  }

  writeShared(chunk: SharedChunk): void {
    this.written += chunk.bytes.length;
    this.transport!.writeShared(chunk);
  }

  close(): void {
    this.isClosed = this.isWriteClosed = true;
    this.transport!.close();
  }

  abort(): void {
    if (this.#ledger.isUnix && !this.#ledger.isOver) return this.close();
    this.isClosed = this.isWriteClosed = this.isAborted = true;
    this.transport!.abort();
  }

  #beginFrame(): void {
    const view = new DataView(this.#head.buffer);
    this.#headUsed = 0;
    this.#left = view.getUint32(0, true);
    this.#seed = view.getUint32(4, true);
    this.#index = 0;
    this.#ledger.frames++;
    if (this.#left > 1 << 24) {
      this.#ledger.faults.push(`a frame of ${this.#left} bytes`);
      this.abort();
    }
  }
}

/** What may happen to one end, with how often. */
const DEEDS: readonly [number, (end: End, prng: Prng, chunk: SharedChunk) => void][] = [
  [30, (end, prng) => write(end, makeFrame(prng.integer(0, 0xffff_ffff), prng.skewed(3_000)))],
  [5, (end, prng) => write(end, makeFrame(prng.integer(0, 0xffff_ffff), prng.skewed(300_000)))],
  [30, (end, _prng, chunk) => {
    if (isWritable(end)) end.writeShared(chunk);
  }],
  [8, (end) => end.transport!.pauseReading()],
  [12, (end) => end.transport!.resumeReading()],
  [2, (end) => {
    end.isWriteClosed = true;
    end.transport!.closeWrite();
  }],
  [3, (end) => end.close()],
  [3, (end) => end.abort()],
];
const DEEDS_TOTAL = DEEDS.reduce((sum, [weight]) => sum + weight, 0);

function isWritable(end: End): boolean {
  return !end.isPaused && !end.isWriteClosed && !end.transport!.isClosing;
}

function write(end: End, frame: Uint8Array): void {
  if (isWritable(end)) end.write(frame);
}

function doSomething(end: End, prng: Prng, chunk: SharedChunk): void {
  let rest = prng.integer(0, DEEDS_TOTAL - 1);
  for (const [weight, deed] of DEEDS) {
    rest -= weight;
    if (rest < 0) return deed(end, prng, chunk);
  }
}

/** One turn of the runtime's loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Runs it.
 *
 * @returns what happened
 * @throws Error with what was found wrong
 */
export async function torture(selector: Selector, options: TortureOptions): Promise<TortureReport> {
  const prng = new Prng(options.seed);
  const { path } = options;
  const ledger = new Ledger(options);
  const create = (): Protocol => new End(ledger, prng.integer(0, 1) === 0);
  const address = path === undefined
    ? { hostname: "127.0.0.1", port: 0 }
    : { transport: "unix" as const, path };
  const listener = selector.listen(address, create);
  const connecting = new Set<Promise<unknown>>();
  while (ledger.connections < options.connections && options.isOver?.() !== true) {
    if (ledger.open.size + connecting.size * 2 < options.openMax * 2) {
      ledger.connections++;
      connect(selector, listener.addr, create, connecting, prng);
    }
    const chunk = new SharedChunk(makeFrame(prng.integer(0, 0xffff_ffff), prng.skewed(20_000)));
    for (const end of [...ledger.open]) {
      if (prng.integer(0, 3) === 0) doSomething(end, prng, chunk);
    }
    chunk.release();
    if (prng.integer(0, 2) === 0) await turn();
    if (ledger.faults.length > 0) break;
  }
  await Promise.all(connecting);
  ledger.isOver = true;
  while (ledger.open.size > 0 || listener.stats.open > 0) {
    for (const end of [...ledger.open]) end.abort(); // Those that were abandoned, and those that come late.
    await turn();
  }
  await listener.close();
  if (ledger.faults.length > 0) throw new Error(`Torture found: ${ledger.faults.join("; ")}`);
  const { connections, frames, bytes, resets } = ledger;
  return { connections, frames, bytes, resets };
}

function connect(
  selector: Selector,
  addr: Parameters<typeof target>[0],
  create: () => Protocol,
  connecting: Set<Promise<unknown>>,
  prng: Prng,
): void {
  const gaveUp = prng.integer(0, 15) === 0 ? new AbortController() : null;
  const attempt: Promise<unknown> = selector.connect(
    { ...target(addr), ...(gaveUp === null ? {} : { signal: gaveUp.signal }) },
    create,
  ).catch((error: unknown) => error).then(() => connecting.delete(attempt));
  connecting.add(attempt);
  if (gaveUp !== null) queueMicrotask(() => gaveUp.abort());
}

/**
 * Connections opened, written to, half-closed, reset and abandoned at random, their protocols changed, paused for long, and made to
 * throw, while their listeners come and go: the torture that every descriptor, slot and piece of memory must come back from.
 *
 * Every byte is checked (torture_frame.ts), and every call that a protocol hears (torture_end.ts). Who hears the end must have heard
 * all that was written before it, and who did not end a connection itself hears either its end or why it broke. Every attempt to
 * connect settles, listeners count right, and no timer is left. Everything at random follows from one seed.
 *
 * @module
 */
import { assertGreater } from "@std/assert";
import { ConnectionRefusedError, ConnectionResetError, DeadlineExceededError } from "../../../io/errors.ts";
import type { ConnectOptions, Listener, ListenOptions, Selector, Transport } from "../../../io/selector.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import { Prng } from "../../../io/testing/prng.ts";
import { TimerWheel } from "../../../io/timer_wheel.ts";
import { forSeeds } from "../../support/seeds.ts";
import { type Subject, target } from "./harness.ts";
import { doSomething, End, TortureError, type TortureLedger } from "./torture_end.ts";
import { makeFrame } from "./torture_frame.ts";

/** Connections of each seed in the contract: half a second in all. */
const CONNECTIONS = 50;
/** Connections at once. */
const OPEN_MAX = 20;
/** How often listening is tried on a system that refuses one time in a hundred. */
const LISTEN_TRIES_MAX = 50;
/** Frames in all, at least; usually there are hundreds. */
const FRAMES_MIN = 10;
/** A port where nobody listens: below 1,024 none is given to who connects, and nobody here has the rights to listen. */
const NOBODYS_PORT = 1;
/** How often the runtime's loop is gone through for what must come: some ten times what the slowest selector needs. */
const TURNS_MAX = 20_000;

/** The selector contract, by chance: it holds whatever both ends of many connections do, on TCP and on Unix sockets. */
export function tortureContract({ abilities, test }: Subject): void {
  const { endsWhatFails: isEndIgnored = false } = abilities;
  const options = { connections: CONNECTIONS, openMax: OPEN_MAX, isEndIgnored };
  test("under torture every byte is its own, and every end comes after all of them", async (selector) => {
    let frames = 0;
    await forSeeds("under torture", 2, async (seed) => {
      frames += (await torture(selector, { ...options, seed })).frames;
      if (!abilities.hasSockets) return;
      const path = `${await Deno.makeTempDir()}/torture.sock`;
      frames += (await torture(selector, { ...options, seed, path })).frames;
    });
    assertGreater(frames, FRAMES_MIN);
  });

  test("under torture a selector that is closed ends all there is, and every attempt", async (selector) => {
    await torture(selector, { ...options, seed: 0, closesSelector: true });
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
  /** Who connects; default: the selector that listens. */
  readonly connector?: Selector;
  /** Whether an end may come too early: of connections that the runtime fails. Default false. */
  readonly isEndIgnored?: boolean;
  /** Whether the system refuses things at random: then attempts fail with what it says. Default false. */
  readonly isSystemBroken?: boolean;
  /** Whether it ends by closing the selector in the middle of it all. Default false. */
  readonly closesSelector?: boolean;
}

/** What happened. */
export interface TortureReport {
  readonly connections: number;
  readonly frames: number;
  readonly bytes: number;
  readonly resets: number;
}

/** A listener, how many it may have open, and how many protocols of it were opened. */
interface Lair {
  readonly listener: Listener;
  readonly connectionsMax: number;
  readonly ends: End[];
  isClosed: boolean;
}

/** One turn of the runtime's loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** One run. */
class Torture {
  readonly ledger: TortureLedger;
  readonly connecting = new Set<Promise<unknown>>();
  connections = 0;
  readonly #selector: Selector;
  readonly #options: TortureOptions;
  readonly #prng: Prng;
  readonly #lairs: Lair[] = [];

  constructor(selector: Selector, options: TortureOptions) {
    const { seed, path, isEndIgnored = false } = options;
    this.#selector = selector;
    this.#options = options;
    this.#prng = new Prng(seed);
    this.ledger = {
      prng: Prng.derive(seed, 1),
      faults: [],
      open: new Set(),
      byName: new Map(),
      isUnix: path !== undefined,
      isEndIgnored,
      top: null,
      chunk: new SharedChunk(makeFrame(seed, 10)),
      isOver: false,
      frames: 0,
      bytes: 0,
      resets: 0,
    };
  }

  /** Closes what listens, and listens again. On a path that is possible only when the close is done. */
  async #relisten(): Promise<void> {
    const lair = this.#lairs.at(-1)!;
    lair.isClosed = true;
    const closed = lair.listener.close();
    if (this.ledger.isUnix || this.#prng.chance(0.5)) await closed;
    await this.listen();
  }

  async listen(): Promise<void> {
    const { path } = this.#options;
    const address: ListenOptions = path === undefined
      ? { hostname: "127.0.0.1", port: 0 }
      : { transport: "unix", path };
    const number = this.#lairs.length;
    const isSmall = number > 0 && this.#prng.chance(0.3);
    const connectionsMax = isSmall ? this.#prng.integer(1, 5) : 1_000;
    const ends: End[] = [];
    const create = () => {
      const end = new End(this.ledger, number);
      ends.push(end);
      return end.protocol;
    };
    let listener: Listener | null = null;
    for (let tries = 1; listener === null; tries++) {
      try {
        listener = this.#selector.listen({ ...address, connectionsMax }, create);
      } catch (error) {
        if (!(this.#options.isSystemBroken && tries < LISTEN_TRIES_MAX)) throw error;
        await turn();
      }
    }
    this.#lairs.push({ listener, connectionsMax, ends, isClosed: false });
  }

  async step(): Promise<void> {
    const { ledger, ledger: { chunk, open } } = this;
    const prng = this.#prng;
    if (open.size + this.connecting.size * 2 < this.#options.openMax * 2) this.#connect();
    ledger.chunk = new SharedChunk(makeFrame(prng.integer(0, 0xffff_ffff), prng.skewed(20_000)));
    chunk.release();
    for (const end of [...open]) {
      if (end.isResting ? prng.chance(0.01) : prng.chance(0.25)) {
        end.isResting = false;
        if (open.has(end)) doSomething(end);
      }
      end.checkBytes();
    }
    if (prng.chance(0.03)) await this.#relisten();
    if (prng.chance(1 / 3)) await turn();
    for (const { connectionsMax, listener: { stats } } of this.#lairs) {
      if (stats.open > connectionsMax) ledger.faults.push(`${stats.open} of ${connectionsMax} are open`);
    }
  }

  #connect(): void {
    const prng = this.#prng;
    const { connector = this.#selector, isSystemBroken = false } = this.#options;
    this.connections++;
    const controller = prng.chance(1 / 16) ? new AbortController() : null;
    const timeoutMs = prng.chance(1 / 16) ? prng.integer(0, 2) : null;
    const isNobody = prng.chance(1 / 16);
    const isThrower = prng.chance(1 / 32);
    const lair = this.#lairs.at(-1)!;
    const address = isNobody ? this.#nobody() : target(lair.listener.addr);
    const end = new End(this.ledger, -1);
    const create = () => {
      if (isThrower) throw new TortureError("no protocol");
      return end.protocol;
    };
    const connected = (_transport: Transport): void => {
      if (isNobody || isThrower) end.fault("it connected where nobody is");
      if (end.transport === null) end.fault("it connected, but was not opened");
    };
    const failed = (error: unknown): void => {
      if (end.transport !== null) end.fault(`it was opened, but its connect failed: ${error}`);
      const isExpected = isSystemBroken || this.ledger.isOver ||
        (controller !== null && error === controller.signal.reason) ||
        (timeoutMs !== null && error instanceof DeadlineExceededError) ||
        (isThrower && error instanceof TortureError) ||
        ((isNobody || lair.isClosed) && error instanceof ConnectionRefusedError) ||
        error instanceof ConnectionResetError;
      if (!isExpected) end.fault(`its connect failed: ${error}`);
    };
    const options: ConnectOptions = {
      ...address,
      timeoutMs,
      ...(controller && { signal: controller.signal }),
    };
    const attempt: Promise<unknown> = connector.connect(options, create).then(connected, failed)
      .finally(() => this.connecting.delete(attempt));
    this.connecting.add(attempt);
    if (controller !== null) queueMicrotask(() => controller.abort());
  }

  #nobody(): ConnectOptions {
    const { path } = this.#options;
    if (path !== undefined) return { transport: "unix", path: `${path}.none` };
    return { hostname: "127.0.0.1", port: NOBODYS_PORT };
  }

  /** Ends all by closing the selector; everything must have heard so then. */
  async closeSelector(): Promise<void> {
    const { ledger } = this;
    ledger.isOver = true;
    await this.#selector.close();
    for (const end of ledger.open) end.fault("it had not heard closed when the selector was");
    await Promise.all(this.connecting);
  }

  /** Ends all by force: those that were abandoned, and those that come late. */
  async end(): Promise<void> {
    const { connecting, ledger, ledger: { open } } = this;
    for (let turns = 0; connecting.size > 0 && turns < TURNS_MAX; turns++) await turn();
    if (connecting.size > 0) ledger.faults.push(`${connecting.size} attempts to connect did not settle`);
    ledger.isOver = true;
    const isOpen = () => this.#lairs.some(({ listener }) => listener.stats.open > 0);
    for (let turns = 0; (open.size > 0 || isOpen()) && turns < TURNS_MAX; turns++) {
      for (const end of [...open]) end.abort();
      await turn();
    }
    if (open.size > 0) ledger.faults.push(`${open.size} ends did not hear closed`);
    await this.#lairs.at(-1)!.listener.close();
  }

  /** What must hold when all is over. */
  check(): void {
    const { faults, chunk } = this.ledger;
    chunk.release();
    for (const { listener: { stats }, ends } of this.#lairs) {
      const opened = ends.filter(({ transport }) => transport !== null).length;
      if (stats.open !== 0 || stats.accepted !== opened) {
        faults.push(`of ${opened} that were accepted a listener says ${JSON.stringify(stats)}`);
      }
    }
    const { timers } = this.#selector;
    if (timers instanceof TimerWheel && timers.armedCount > 0) {
      faults.push(`${timers.armedCount} timers are left`);
    }
    if (faults.length > 0) throw new Error(`Torture found: ${faults.join("; ")}`);
  }
}

/**
 * Runs it.
 *
 * @returns what happened
 * @throws Error with what was found wrong
 */
export async function torture(selector: Selector, options: TortureOptions): Promise<TortureReport> {
  const run = new Torture(selector, options);
  const { ledger } = run;
  await run.listen();
  while (run.connections < options.connections && ledger.faults.length === 0) await run.step();
  if (options.closesSelector === true) await run.closeSelector();
  else await run.end();
  run.check();
  const { frames, bytes, resets } = ledger;
  return { connections: run.connections, frames, bytes, resets };
}

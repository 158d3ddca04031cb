/**
 * What the parts of the selector contract share: opening a selector for one test, and a connected pair.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { ConnectionResetError } from "../../../io/errors.ts";
import { CheckedSelector } from "../../../io/selectors/checked.ts";
import type { Addr, ConnectOptions, Listener, ListenOptions, Selector } from "../../../io/selector.ts";
import { Prng } from "../../../io/testing/prng.ts";
import { Recorder, type RecorderHooks } from "./recorder.ts";

/** What a selector can do that not every one can. */
export interface SelectorAbilities {
  /** Whether its connections are sockets of the system, which a raw peer can talk to. */
  readonly hasSockets: boolean;
  /** Counts the sends made while `run` runs, all connections together; `null` when that cannot be seen. */
  readonly countSends: ((run: () => Promise<void>) => Promise<number>) | null;
  /** Whether the runtime may end a connection in order that it fails itself (see ARCHITECTURE.md, "An end is an end"). */
  readonly endsWhatFails?: boolean;
}

/** Opens the selector under test. */
export type OpenSelector = () => Selector | Promise<Selector>;

/** One selector under test, and how its tests are registered. */
export interface Subject {
  readonly abilities: SelectorAbilities;
  /** Registers a test that gets a selector of its own; it is closed afterwards, and must be clean if it is checked. */
  test(name: string, run: (selector: Selector) => Promise<void>): void;
}

/** Both ends of a connection and what it goes through. */
export interface Pair {
  readonly listener: Listener;
  readonly client: Recorder;
  readonly server: Recorder;
}

/** Makes the subject of a suite; names begin with `name`. */
export function subject(
  name: string,
  open: OpenSelector,
  isChecked: boolean,
  abilities: SelectorAbilities,
): Subject {
  return {
    abilities,
    test(title, run) {
      Deno.test(`${name}: ${title}`, async () => {
        const inner = await open();
        const selector = isChecked ? new CheckedSelector(inner) : inner;
        try {
          await run(selector);
        } finally {
          await selector.close();
        }
        if (selector instanceof CheckedSelector) selector.assertClean();
      });
    },
  };
}

/**
 * Connects two recorders over loopback, and waits until both are opened; unless the server resets the connection in its
 * `opened`: then the client may never have been connected, and has heard nothing.
 */
export async function connectPair(
  selector: Selector,
  serverHooks: RecorderHooks = {},
  clientHooks: RecorderHooks = {},
  options: Partial<ListenOptions> = {},
): Promise<Pair> {
  const server = new Recorder(serverHooks);
  const listener = selector.listen(
    { hostname: "127.0.0.1", port: 0, ...options } as ListenOptions,
    () => server,
  );
  const client = new Recorder(clientHooks);
  await selector.connect(target(listener.addr), () => client).catch((error) => {
    if (!(error instanceof ConnectionResetError && server.transport.isClosing)) throw error;
  });
  await server.until(() => server.count("opened") === 1);
  return { listener, client, server };
}

/** Resolves when both sides of a pair have heard `closed`. */
export async function untilBothClosed({ client, server }: Pair): Promise<void> {
  await server.untilClosed();
  if (client.calls.length > 0) await client.untilClosed();
}

/** Runs everything that is ready, many times over: what has not happened then waits for something. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
}

/** Options that connect to `addr`. */
export function target(addr: Addr): ConnectOptions {
  return addr.transport === "unix"
    ? { transport: "unix", path: addr.path }
    : { hostname: addr.hostname, port: addr.port };
}

/** Bytes that look random and are the same for the same seed. */
export function noise(length: number, seed: number): Uint8Array {
  const prng = new Prng(seed);
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = prng.integer(0, 0xffffffff);
  return new Uint8Array(words.buffer, 0, length);
}

/** Compares long runs of bytes; says where they differ instead of printing them. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length, "number of bytes");
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== expected[i]) assertEquals(actual[i], expected[i], `byte ${i} of ${actual.length}`);
  }
}

/** What every protocol must have heard in the end, whatever happened: the grammar of io/selector.ts. */
export function assertGrammar(recorder: Recorder): void {
  const calls = recorder.calls.filter((name) => name !== "pauseWriting" && name !== "resumeWriting");
  assertEquals(calls.at(0), "opened");
  assertEquals(calls.at(-1), "closed");
  const middle = calls.slice(1, -1).filter((name) => name !== "received");
  assertEquals(middle, middle.includes("ended") ? ["ended"] : [], `calls were ${calls}`);
  if (calls.includes("ended")) assertEquals(calls.at(-2), "ended", `calls were ${calls}`);
  const flow = recorder.calls.filter((name) => name.endsWith("Writing"));
  for (const [index, name] of flow.entries()) {
    assertEquals(name, index % 2 === 0 ? "pauseWriting" : "resumeWriting", `calls were ${recorder.calls}`);
  }
}

/** Writes `bytes` in pieces, heeding the water marks: stops at `pauseWriting`, goes on at `resumeWriting`. */
export class Pump {
  readonly hooks: RecorderHooks;
  readonly #bytes: Uint8Array;
  readonly #pieceBytes: number;
  readonly #onDone: (recorder: Recorder) => void;
  #offset = 0;
  #isPaused = false;
  #isDone = false;
  #recorder: Recorder | null = null;

  constructor(bytes: Uint8Array, pieceBytes: number, onDone: (recorder: Recorder) => void = () => {}) {
    this.#bytes = bytes;
    this.#pieceBytes = pieceBytes;
    this.#onDone = onDone;
    this.hooks = {
      opened: (_transport, recorder) => {
        this.#recorder = recorder;
        this.#run();
      },
      pauseWriting: () => {
        this.#isPaused = true;
      },
      resumeWriting: () => {
        this.#isPaused = false;
        this.#run();
      },
    };
  }

  /** Bytes given to the transport so far. */
  get writtenBytes(): number {
    return this.#offset;
  }

  #run(): void {
    const recorder = this.#recorder!;
    while (!this.#isPaused && this.#offset < this.#bytes.length) {
      const piece = this.#bytes.subarray(this.#offset, this.#offset + this.#pieceBytes);
      this.#offset += piece.length;
      recorder.transport.write(piece);
    }
    if (this.#isDone || this.#offset < this.#bytes.length) return;
    this.#isDone = true;
    this.#onDone(recorder);
  }
}

/** Threads that are none: the test says what they say, and sees what they are told. */

import type {
  FromWorker,
  LinkEvents,
  ToWorker,
  WorkerConfig,
  WorkerLink,
} from "../../../server/workers/protocol.ts";

/** One such thread. */
export class FakeThread implements WorkerLink {
  /** What it was started with. */
  readonly config: WorkerConfig;
  /** What it was told. */
  readonly told: ToWorker[] = [];
  /** How often it was stopped. */
  stops = 0;
  /** Whether it ends when it is stopped. */
  isObedient = true;
  /** What the process was told to do while it lives. */
  isKept = true;
  readonly #events: LinkEvents;

  /** @param config what it was started with @param events who hears of it */
  constructor(config: WorkerConfig, events: LinkEvents) {
    this.config = config;
    this.#events = events;
  }

  post(message: ToWorker): void {
    this.told.push(message);
  }

  stop(): void {
    this.stops++;
    if (this.isObedient) this.end();
  }

  keepAlive(isKept: boolean): void {
    this.isKept = isKept;
  }

  /** It says something. */
  say(message: FromWorker): void {
    this.#events.message(message);
  }

  /** It listens on `port`. */
  listens(port = 4711): void {
    const selection = { kind: "native", reason: "it is a test" } as const;
    this.say({ type: "listening", hostname: "127.0.0.1", port, selection });
  }

  /** It is gone. */
  end(error?: unknown): void {
    this.#events.ended(error);
  }
}

/** Opens such threads, and keeps them in `threads`, oldest first. */
export function fakeThreads() {
  const threads: FakeThread[] = [];
  const open = (config: WorkerConfig, events: LinkEvents): FakeThread => {
    const thread = new FakeThread(config, events);
    threads.push(thread);
    return thread;
  };
  return { threads, open };
}

/** Lets promises settle. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

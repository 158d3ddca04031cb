/**
 * `Deno.connect` and `Deno.listen` on Node and Bun, for tests that need a peer which is none of ours.
 *
 * The runtimes' own sockets are behind `RawSocket`; here they get Deno's shape and errors.
 *
 * @module
 */
import process from "node:process";
import { errors, failedAs } from "./deno_errors.ts";

/** Where to connect to. */
export type RawTarget = { readonly hostname: string; readonly port: number } | { readonly path: string };

interface RawAddr {
  readonly transport: string;
  readonly hostname: string;
  readonly port: number;
}

/** A connected socket of the runtime. */
export interface RawSocket {
  /** What was read and is not taken yet; reading stops until it is. */
  chunk: Uint8Array | null;
  readonly hasEnded: boolean;
  readonly error: Error | null;
  readonly localAddr: RawAddr;
  readonly remoteAddr: RawAddr;
  /** Reads; resolves when one of the above may have changed. */
  wait(): Promise<void>;
  write(bytes: Uint8Array): Promise<void>;
  shutdown(): Promise<void>;
  setNoDelay(on: boolean): void;
  destroy(): void;
}

type Target = { readonly transport?: "tcp"; readonly hostname?: string; readonly port: number } | {
  readonly transport: "unix";
  readonly path: string;
};

const { rawConnect, rawListen } = process.versions["bun"] === undefined
  ? await import("./deno_net_node.ts").then((own) => ({
    rawConnect: own.connectNode,
    rawListen: own.listenNode,
  }))
  : await import("./deno_net_bun.ts").then((own) => ({
    rawConnect: own.connectBun,
    rawListen: own.listenBun,
  }));

/** `Deno.Conn`. */
class Conn {
  readonly #socket: RawSocket;
  #isClosed = false;

  constructor(socket: RawSocket) {
    this.#socket = socket;
  }

  get localAddr() {
    return this.#socket.localAddr;
  }

  get remoteAddr() {
    return this.#socket.remoteAddr;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const socket = this.#socket;
    while (socket.chunk === null) {
      if (this.#isClosed) throw new errors.BadResource("Bad resource ID");
      if (socket.error !== null) throw failedAs(socket.error);
      if (socket.hasEnded) return null;
      await socket.wait();
    }
    const taken = socket.chunk.subarray(0, into.length);
    into.set(taken);
    socket.chunk = taken.length < socket.chunk.length ? socket.chunk.subarray(taken.length) : null;
    return taken.length;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#isClosed) throw new errors.BadResource("Bad resource ID");
    try {
      await this.#socket.write(bytes.slice());
    } catch (error) {
      throw failedAs(error);
    }
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    return this.#socket.shutdown();
  }

  setNoDelay(on = true): void {
    this.#socket.setNoDelay(on);
  }

  get readable(): ReadableStream<Uint8Array> {
    return new ReadableStream({
      pull: async (controller) => {
        const bytes = new Uint8Array(65_536);
        const count = await this.read(bytes);
        if (count === null) controller.close();
        else controller.enqueue(bytes.subarray(0, count));
      },
      cancel: () => this.close(),
    });
  }

  close(): void {
    if (this.#isClosed) throw new errors.BadResource("Bad resource ID");
    this.#isClosed = true;
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.close();
  }
}

/** `Deno.connect`. */
export async function connect(target: Target): Promise<Conn> {
  const where = target.transport === "unix"
    ? { path: target.path }
    : { hostname: target.hostname ?? "127.0.0.1", port: target.port };
  try {
    return new Conn(await rawConnect(where));
  } catch (error) {
    throw failedAs(error);
  }
}

/** `Deno.listen`, for TCP. */
export function listen(target: { hostname?: string; port: number; transport?: "tcp" }) {
  const waiting: ((conn: Conn | null) => void)[] = [];
  const arrived: Conn[] = [];
  let isClosed = false;
  const onSocket = (socket: RawSocket): void => {
    const conn = new Conn(socket);
    const next = waiting.shift();
    if (next === undefined) arrived.push(conn);
    else next(conn);
  };
  const server = listenRaw(target.hostname ?? "0.0.0.0", target.port, onSocket);
  const closed = () => new errors.BadResource("Listener has been closed");
  const accept = (): Promise<Conn> =>
    new Promise((resolve, reject) => {
      const conn = arrived.shift();
      if (conn !== undefined) return resolve(conn);
      if (isClosed) return reject(closed());
      waiting.push((conn) => conn === null ? reject(closed()) : resolve(conn));
    });
  const close = (): void => {
    isClosed = true;
    server.close();
    for (const one of waiting.splice(0)) one(null);
  };
  return {
    addr: { transport: "tcp" as const, hostname: server.hostname, port: server.port },
    accept,
    close,
    async *[Symbol.asyncIterator]() {
      while (!isClosed) {
        const conn = await accept().catch((error) => {
          if (isClosed) return null;
          throw error;
        });
        if (conn !== null) yield conn;
      }
    },
    [Symbol.dispose]: () => {
      if (!isClosed) close();
    },
  };
}

function listenRaw(hostname: string, port: number, onSocket: (socket: RawSocket) => void) {
  try {
    return rawListen(hostname, port, onSocket);
  } catch (error) {
    throw failedAs(error);
  }
}

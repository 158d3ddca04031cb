/**
 * The sockets below `deno_net.ts` on Bun: `Bun.connect` and `Bun.listen`.
 *
 * Not its `node:net`: that tells some resets as ends.
 *
 * @module
 */
import type { RawSocket, RawTarget } from "./deno_net.ts";

interface Socket {
  data: BunRawSocket | null;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  write(bytes: Uint8Array): number;
  end(): void;
  shutdown(): void;
  pause(): void;
  resume(): void;
  setNoDelay(on: boolean): void;
}

interface BunGlobal {
  connect(options: object): Promise<Socket>;
  listen(options: object): { readonly hostname: string; readonly port: number; stop(): void };
}

const { Bun: bun } = globalThis as unknown as { readonly Bun: BunGlobal };

const HANDLERS = {
  binaryType: "uint8array",
  data: (socket: Socket, bytes: Uint8Array) => socket.data?.took(bytes),
  end: (socket: Socket) => socket.data?.ended(null),
  drain: (socket: Socket) => socket.data?.flush(),
  close: (socket: Socket, error?: Error) => socket.data?.ended(error ?? null),
  error: (socket: Socket, error: Error) => socket.data?.ended(error),
};

/** Connects; rejects with the system's code. */
export async function connectBun(target: RawTarget): Promise<RawSocket> {
  const where = "path" in target ? { unix: target.path } : target;
  const open = (socket: Socket): void => void (socket.data = new BunRawSocket(socket));
  const socket = await bun.connect({
    ...where,
    allowHalfOpen: true,
    data: null,
    socket: { ...HANDLERS, open },
  });
  return socket.data!;
}

/** Listens, at once. */
export function listenBun(hostname: string, port: number, onSocket: (socket: RawSocket) => void) {
  const open = (socket: Socket): void => {
    const raw = new BunRawSocket(socket);
    socket.data = raw;
    onSocket(raw);
  };
  const server = bun.listen({
    hostname,
    port,
    allowHalfOpen: true,
    data: null,
    socket: { ...HANDLERS, open },
  });
  return { hostname: server.hostname, port: server.port, close: () => server.stop() };
}

class BunRawSocket implements RawSocket {
  readonly #socket: Socket;
  readonly #pending: { bytes: Uint8Array; done: (error: Error | null) => void }[] = [];
  #onShutdown: (() => void) | null = null;
  #onEvent: (() => void) | null = null;
  #isShutDown = false;
  chunk: Uint8Array | null = null;
  hasEnded = false;
  error: Error | null = null;
  readonly localAddr;
  readonly remoteAddr;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.localAddr = { transport: "tcp", hostname: socket.localAddress, port: socket.localPort };
    this.remoteAddr = { transport: "tcp", hostname: socket.remoteAddress, port: socket.remotePort };
    socket.pause();
  }

  took(bytes: Uint8Array): void {
    const { chunk } = this;
    this.chunk = chunk === null ? bytes : new Uint8Array([...chunk, ...bytes]);
    this.#socket.pause();
    this.#tell();
  }

  ended(error: Error | null): void {
    if (error === null) this.hasEnded = true;
    else this.error ??= error;
    if (error !== null) { for (const { done } of this.#pending.splice(0)) done(error); }
    this.#tell();
  }

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEvent = resolve;
      this.#socket.resume();
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ bytes, done: (error) => error === null ? resolve() : reject(error) });
      this.flush();
    });
  }

  flush(): void {
    for (let one = this.#pending[0]; one !== undefined; one = this.#pending[0]) {
      const taken = this.#socket.write(one.bytes);
      if (taken < 0) {
        this.ended(this.error ?? Object.assign(new Error("write failed"), { code: "EPIPE" }));
        return;
      }
      one.bytes = one.bytes.subarray(taken);
      if (one.bytes.length > 0) return;
      this.#pending.shift();
      one.done(null);
    }
    if (this.#onShutdown === null || this.#isShutDown) return;
    this.#isShutDown = true;
    this.#socket.shutdown();
    this.#onShutdown();
  }

  shutdown(): Promise<void> {
    return new Promise((resolve) => {
      this.#onShutdown = resolve;
      this.flush();
    });
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  destroy(): void {
    this.#socket.end();
    for (const { done } of this.#pending.splice(0)) done(new Error("the socket was closed"));
    this.#tell();
  }

  #tell(): void {
    const run = this.#onEvent;
    this.#onEvent = null;
    run?.();
  }
}

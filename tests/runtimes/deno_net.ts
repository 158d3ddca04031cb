/**
 * `Deno.connect` and `Deno.listen` on Node and Bun, for tests that need a peer which is none of ours.
 *
 * Strategy: a connection reads by `node:net`'s paused mode, so that nothing is taken from the kernel that was not asked
 * for (beyond one buffer); its errors are told by their code, as `Deno.errors`.
 *
 * @module
 */
import net from "node:net";
import { errors, failedAs } from "./deno_errors.ts";

type Target = { readonly transport?: "tcp"; readonly hostname?: string; readonly port: number } | {
  readonly transport: "unix";
  readonly path: string;
};

/** `Deno.Conn`. */
class Conn {
  readonly #socket: net.Socket;
  #rest: Uint8Array | null = null;
  #hasEnded = false;
  #error: Error | null = null;
  #isClosed = false;
  #wake: (() => void) | null = null;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    const wake = (): void => {
      const run = this.#wake;
      this.#wake = null;
      run?.();
    };
    socket.pause();
    socket.on("data", (chunk: Uint8Array) => {
      socket.pause();
      this.#rest = chunk;
      wake();
    });
    socket.on("end", () => {
      this.#hasEnded = true;
      wake();
    });
    socket.on("error", (error) => {
      this.#error = error;
      wake();
    });
    socket.on("close", wake);
  }

  get localAddr() {
    return { transport: "tcp", hostname: this.#socket.localAddress, port: this.#socket.localPort };
  }

  get remoteAddr() {
    return { transport: "tcp", hostname: this.#socket.remoteAddress, port: this.#socket.remotePort };
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#rest === null) {
      if (this.#isClosed) throw new errors.BadResource("Bad resource ID");
      if (this.#error !== null) throw failedAs(this.#error);
      if (this.#hasEnded) return null;
      if (this.#socket.destroyed) throw new errors.ConnectionReset("connection lost");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#socket.resume();
      });
    }
    const taken = this.#rest.subarray(0, into.length);
    into.set(taken);
    this.#rest = taken.length < this.#rest.length ? this.#rest.subarray(taken.length) : null;
    return taken.length;
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new errors.BadResource("Bad resource ID"));
      this.#socket.write(bytes.slice(), (error) => error ? reject(failedAs(error)) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()));
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
export function connect(target: Target): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const socket = target.transport === "unix"
      ? net.connect({ path: target.path, allowHalfOpen: true })
      : net.connect({ host: target.hostname ?? "127.0.0.1", port: target.port, allowHalfOpen: true });
    const fail = (error: Error): void => reject(failedAs(error));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.off("error", fail);
      resolve(new Conn(socket));
    });
  });
}

/** `Deno.listen`, for TCP. The port is known at once, which needs the runtime's own way. */
export function listen(target: { hostname?: string; port: number; transport?: "tcp" }) {
  const waiting: ((conn: Conn | null) => void)[] = [];
  const arrived: Conn[] = [];
  const { server, addr } = bind(target.hostname ?? "0.0.0.0", target.port);
  server.on("connection", (socket) => {
    const conn = new Conn(socket);
    const next = waiting.shift();
    if (next === undefined) arrived.push(conn);
    else next(conn);
  });
  let isClosed = false;
  const accept = (): Promise<Conn> =>
    new Promise((resolve, reject) => {
      const conn = arrived.shift();
      if (conn !== undefined) return resolve(conn);
      if (isClosed) return reject(new errors.BadResource("Listener has been closed"));
      waiting.push((conn) =>
        conn ? resolve(conn) : reject(new errors.BadResource("Listener has been closed"))
      );
    });
  const close = (): void => {
    isClosed = true;
    server.close();
    for (const one of waiting.splice(0)) one(null);
  };
  return {
    addr,
    accept,
    close,
    async *[Symbol.asyncIterator]() {
      for (;;) {
        try {
          yield await accept();
        } catch {
          return;
        }
      }
    },
    [Symbol.dispose]: () => {
      if (!isClosed) close();
    },
  };
}

function bind(hostname: string, port: number) {
  const server = net.createServer({ allowHalfOpen: true });
  const create = (net as unknown as { _createServerHandle?: (...args: unknown[]) => object | number })
    ._createServerHandle;
  if (create === undefined) server.listen(port, hostname); // Bun listens within the call.
  else {
    const handle = create(hostname, port, net.isIP(hostname), undefined, 0);
    if (typeof handle === "number") throw new errors.AddrInUse(`Cannot listen on ${hostname}:${port}`);
    server.listen(handle);
  }
  const address = server.address() as net.AddressInfo;
  return { server, addr: { transport: "tcp" as const, hostname: address.address, port: address.port } };
}

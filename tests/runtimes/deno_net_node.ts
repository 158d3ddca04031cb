/**
 * The sockets below `deno_net.ts` on Node: `node:net`, read in its paused mode, so that nothing is taken from the kernel
 * that was not asked for, beyond one buffer.
 *
 * @module
 */
import net from "node:net";
import type { RawSocket, RawTarget } from "./deno_net.ts";

/** Connects; rejects with the system's code. */
export function connectNode(target: RawTarget): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    const where = "path" in target ? { path: target.path } : { host: target.hostname, port: target.port };
    const socket = net.connect({ ...where, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(new NodeRawSocket(socket));
    });
  });
}

/** Listens, at once. */
export function listenNode(hostname: string, port: number, onSocket: (socket: RawSocket) => void) {
  type Create = (...args: unknown[]) => object | number;
  const create = (net as unknown as { _createServerHandle: Create })._createServerHandle;
  const server = net.createServer({ allowHalfOpen: true });
  const handle = create(hostname, port, net.isIP(hostname), undefined, 0);
  if (typeof handle === "number") throw Object.assign(new Error("Cannot listen"), { code: "EADDRINUSE" });
  server.listen(handle);
  server.on("connection", (socket) => onSocket(new NodeRawSocket(socket)));
  const bound = server.address() as net.AddressInfo;
  return { hostname: bound.address, port: bound.port, close: () => void server.close() };
}

class NodeRawSocket implements RawSocket {
  readonly #socket: net.Socket;
  #onEvent: (() => void) | null = null;
  chunk: Uint8Array | null = null;
  hasEnded = false;
  error: Error | null = null;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.pause();
    socket.on("data", (chunk: Uint8Array) => {
      socket.pause();
      this.chunk = chunk;
      this.#tell();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.#tell();
    });
    socket.on("error", (error) => {
      this.error = error;
      this.#tell();
    });
    socket.on("close", () => this.#tell());
  }

  get localAddr() {
    return { transport: "tcp", hostname: this.#socket.localAddress ?? "", port: this.#socket.localPort ?? 0 };
  }

  get remoteAddr() {
    return {
      transport: "tcp",
      hostname: this.#socket.remoteAddress ?? "",
      port: this.#socket.remotePort ?? 0,
    };
  }

  wait(): Promise<void> {
    if (this.#socket.destroyed) {
      this.error ??= Object.assign(new Error("connection lost"), { code: "ECONNRESET" });
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#onEvent = resolve;
      this.#socket.resume();
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }

  shutdown(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(() => resolve()));
  }

  setNoDelay(on: boolean): void {
    this.#socket.setNoDelay(on);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #tell(): void {
    const run = this.#onEvent;
    this.#onEvent = null;
    run?.();
  }
}

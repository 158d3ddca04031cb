/**
 * Listening on `node:net`, synchronously, for TCP and Unix sockets: the listener of the `native` selectors.
 *
 * `listen` must be synchronous and throw the right error. `net._createServerHandle` binds at once and returns the
 * system's error number or a handle, on Deno and on Node: it is what `server.listen` itself uses, only later. The
 * listening as such is left to `server.listen(handle)`, which reports failures in a later tick; so when it leaves the
 * server without a handle, the same call is made once more by hand to learn the error number.
 *
 * The server's own bookkeeping of connections is not used (its `close` would wait for all of them), so sockets are
 * taken out of it as they come: see `#accept`.
 *
 * @module
 */
import net from "node:net";
import { Admission } from "../admission.ts";
import { AddressNotAvailableError, UnsupportedError } from "../errors.ts";
import type { Addr, Listener, ListenerStats, ListenOptions, Protocol } from "../selector.ts";
import type { GatheredReads } from "./gathered_reads.ts";
import { listenError, listenStatusError } from "./native_errors.ts";
import { type CheckedListenOptions, checkListenOptions } from "./native_listen_options.ts";
import {
  addrOf,
  type Handle,
  makeSocket,
  NativeTransport,
  OwnedSocket,
  type ReadMode,
  type SocketHost,
  takeHandle,
} from "./native_socket.ts";

/** UV_TCP_REUSEPORT is 2 in libuv, which Node uses, and 4 in Deno's port of it; each ignores the bit of the other. */
const UV_TCP_REUSEPORT = 2 | 4;

/** How often binding and listening are tried when the first attempt fails and the second, made to learn why, does not. */
const LISTEN_TRIES_MAX = 3;

/** Makes a bound handle, or returns the system's error number (negative). */
type CreateServerHandle = (
  address: string,
  port: number,
  addressType: 4 | 6 | -1,
  fd: number | undefined,
  flags: number,
) => Handle | number;

interface ListenHandle {
  listen(backlog: number): number;
  close(): void;
}

/** What a listener needs of its selector. */
export interface ListenerHost extends SocketHost {
  readonly readMode: ReadMode;
  /** Called when a connection is closed, whoever made it: a descriptor is free. */
  connectionClosed(): void;
  /** Called when the listener no longer listens. */
  forget(listener: NativeListener): void;
}

interface Bound {
  readonly server: net.Server;
  readonly addr: Addr;
}

/** Whether this runtime can bind synchronously; see the module's text. */
export function canListen(): boolean {
  return typeof createServerHandle() === "function";
}

/** Accepts connections for one address; see the module's text. */
export class NativeListener implements Listener {
  readonly addr: Addr;
  readonly #host: ListenerHost;
  readonly #server: net.Server;
  readonly #admission: Admission;
  readonly #unixPath: string | null;
  readonly #backlog: number;
  readonly #onConnectionClosed = (): void => {
    this.#admission.closed();
    this.#host.connectionClosed();
  };
  #closing: Promise<void> | null = null;

  /** Binds and listens; throws what `Selector.listen` throws. */
  constructor(host: ListenerHost, options: ListenOptions, createProtocol: () => Protocol) {
    const checked = checkListenOptions(options);
    this.#host = host;
    this.#admission = new Admission(checked.connectionsMax, createProtocol);
    this.#backlog = checked.backlog;
    const { server, addr } = checked.fd < 0 ? bind(checked) : adoptListening(checked);
    this.#server = server;
    this.addr = addr;
    this.#unixPath = addr.transport === "unix" ? addr.path : null;
    if (host.readMode === "shared") makeSocketsAtOnce(server, host.reads);
    server.on("connection", (socket: net.Socket) => this.#accept(socket));
    server.on("error", () => this.#admission.failed()); // After listening, only accept(2) reports here.
  }

  get stats(): ListenerStats {
    return this.#admission.stats;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => {
        this.#host.forget(this);
        resolve();
      });
    });
    return this.#closing;
  }

  /**
   * Accepts again, if it has stopped. Deno's sockets stop accepting, silently and for good, when the process is out of
   * descriptors; listening once more sets them going, and costs nothing when they had not stopped (0.1 µs, no system
   * call). So that is done whenever a connection closed.
   */
  goOn(): void {
    if (this.#closing !== null) return;
    (this.#server as unknown as { _handle: ListenHandle })._handle.listen(this.#backlog);
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  #accept(accepted: net.Socket): void {
    releaseFromServer(this.#server, accepted);
    const admission = this.#admission;
    if (!admission.admits(this.#closing !== null)) {
      if (this.#unixPath === null) accepted.resetAndDestroy();
      else accepted.destroy();
      return;
    }
    const { reads, readMode } = this.#host;
    const remade = readMode === "shared" ? remake(accepted, reads) : null;
    const socket = remade ?? adopt(accepted);
    const { remoteAddress, remotePort } = socket;
    if (this.#unixPath === null && remoteAddress === undefined) {
      admission.failed(); // Reset before it was accepted: the system no longer knows who it was (ECONNABORTED elsewhere).
      return void socket.destroy();
    }
    const protocol = admission.makeProtocol();
    if (protocol === null) return void socket.destroy();
    if (this.#unixPath === null) socket.setNoDelay(true); // Nagle would hold back what the turn's end sends.
    const transport = new NativeTransport(
      this.#host,
      protocol,
      socket,
      addrOf(socket.localAddress, socket.localPort, this.#unixPath),
      addrOf(remoteAddress, remotePort, this.#unixPath === null ? null : ""),
      remade === null ? "events" : "shared",
      this.#onConnectionClosed,
    );
    admission.opened();
    transport.start();
  }
}

/**
 * Lets a server make the sockets of accepted connections as they are needed here, where it has a method for that (Deno):
 * the usual way, making them anew, costs a second socket for each connection.
 */
function makeSocketsAtOnce(server: net.Server, reads: GatheredReads): void {
  const owner = server as unknown as { _createSocket?: (handle: Handle) => net.Socket };
  if (typeof owner._createSocket === "function") {
    owner._createSocket = (handle) => makeSocket(reads, handle);
  }
}

/** Makes an accepted socket anew around its handle, unless it was made so at once; `null` where that cannot be. */
function remake(accepted: net.Socket, reads: GatheredReads): OwnedSocket | null {
  if (accepted instanceof OwnedSocket) return accepted;
  const handle = takeHandle(accepted);
  return handle === null ? null : makeSocket(reads, handle);
}

/** Makes an accepted socket one of ours where it cannot be made anew around its handle. */
function adopt(socket: net.Socket): OwnedSocket {
  return Object.assign(socket, { owner: null }) as unknown as OwnedSocket;
}

/** Ends the server's interest in a connection, so that closing the one does not wait for the other. */
function releaseFromServer(server: net.Server, socket: net.Socket): void {
  (server as unknown as { _connections: number })._connections = 0;
  (socket as unknown as { _server: null })._server = null;
}

function createServerHandle(): CreateServerHandle | undefined {
  return (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
}

/** Binds and listens at once; throws what `Selector.listen` throws. */
function bind(options: CheckedListenOptions): Bound {
  const { address, port, family, text, backlog } = options;
  const flags = options.reusePort ? UV_TCP_REUSEPORT : 0;
  for (let tries = 0; tries < LISTEN_TRIES_MAX; tries++) {
    const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
    server.once("error", () => {}); // The reason comes a tick later; it is found out at once below.
    if (family === -1) listenOnPath(server, address, backlog, text);
    else server.listen(bindHandle(address, port, family, flags, text), backlog);
    if (server.listening) return boundTo(server, address);
    const probe = bindHandle(address, port, family, flags, text) as ListenHandle;
    const status = probe.listen(backlog);
    probe.close();
    if (status !== 0) throw listenStatusError(status, text);
  }
  throw new UnsupportedError(`Cannot listen on ${text}`, "the runtime did not listen, and did not say why");
}

/** What a server that listens is bound to. */
function boundTo(server: net.Server, path: string): Bound {
  server.removeAllListeners("error");
  const bound = server.address();
  const addr = typeof bound === "string" || bound === null
    ? addrOf(undefined, undefined, bound ?? path)
    : addrOf(bound.address, bound.port, null);
  return { server, addr };
}

/** Takes over a socket that listens already. The runtime takes a descriptor once, so there is one try. */
function adoptListening({ fd, backlog, text }: CheckedListenOptions): Bound {
  const handle = bindHandle("", 0, 4, 0, text, fd);
  const server = net.createServer({ pauseOnConnect: true, allowHalfOpen: true });
  server.once("error", () => {}); // As in `bind`: nothing is known before the next tick but that it does not listen.
  server.listen(handle, backlog);
  if (server.listening) return boundTo(server, "");
  throw new AddressNotAvailableError(text, "it is no socket that can listen");
}

/** By path, which binds at once, too: Node takes a bound Unix socket only by descriptor, and then leaves its file behind. */
function listenOnPath(server: net.Server, path: string, backlog: number, text: string): void {
  try {
    server.listen({ path, backlog });
  } catch (error) {
    throw listenError(error, text);
  }
}

function bindHandle(
  address: string,
  port: number,
  type: 4 | 6 | -1,
  flags: number,
  text: string,
  fd?: number,
): Handle {
  const create = createServerHandle();
  if (create === undefined) {
    throw new UnsupportedError(
      `Cannot listen on ${text}`,
      "this runtime's node:net has no _createServerHandle, which binding at once needs",
    );
  }
  let handle: Handle | number;
  try {
    handle = create(address, port, type, fd, flags);
  } catch (error) {
    throw listenError(error, text);
  }
  if (typeof handle === "number") throw listenStatusError(handle, text);
  return handle;
}

/**
 * Listening with `Bun.listen`, which binds within the call and throws with the system's code if it cannot.
 *
 * Known limits: `backlog` is checked but not passed on, since Bun has no place for it and asks for 512; errors of
 * accept(2) are not reported by Bun, so `acceptErrors` counts only connections that were reset before they were accepted.
 *
 * @module
 */
import { Admission } from "../admission.ts";
import type { Addr, Listener, ListenerStats, ListenOptions, Protocol } from "../selector.ts";
import type { TransportHub } from "../transport_hub.ts";
import {
  type BunOwner,
  type BunSocket,
  BunTransport,
  type GatherBuffer,
  HANDLERS,
} from "./native_bun_socket.ts";
import { UnsupportedError } from "../errors.ts";
import { listenError } from "./native_errors.ts";
import { checkListenOptions } from "./native_listen_options.ts";
import { addrOf } from "./native_socket.ts";

/** A listener of Bun; what is used of it. */
interface BunListenSocket {
  readonly hostname: string;
  readonly port: number;
  /** Stops listening; connections go on. */
  stop(): void;
  ref(): void;
  unref(): void;
}

/** `Bun.listen` and `Bun.connect`. */
export interface BunSockets {
  listen(options: object): BunListenSocket;
  connect(options: object): Promise<BunSocket>;
}

/** What a listener needs of its selector. */
export interface BunHost {
  readonly hub: TransportHub;
  readonly gather: GatherBuffer;
  /** Called when the listener no longer listens. */
  forget(listener: BunListener): void;
}

/** Accepts connections for one address; see the module's text. */
export class BunListener implements Listener, BunOwner {
  readonly addr: Addr;
  readonly #host: BunHost;
  readonly #server: BunListenSocket;
  readonly #admission: Admission;
  readonly #unixPath: string | null;
  #isClosed = false;

  /** Binds and listens; throws what `Selector.listen` throws. */
  constructor(bun: BunSockets, host: BunHost, options: ListenOptions, createProtocol: () => Protocol) {
    const { address, port, text, reusePort, connectionsMax } = checkListenOptions(options);
    if (options.transport === "fd") {
      throw new UnsupportedError(
        `Cannot listen on ${text}`,
        "Bun.listen takes no socket that listens already",
      );
    }
    this.#host = host;
    this.#admission = new Admission(connectionsMax, createProtocol);
    this.#unixPath = options.transport === "unix" ? options.path : null;
    const target = this.#unixPath === null
      ? { hostname: address, port, reusePort }
      : { unix: this.#unixPath };
    try {
      this.#server = bun.listen({ ...target, data: this, socket: HANDLERS, allowHalfOpen: true });
    } catch (error) {
      throw listenError(error, text);
    }
    this.addr = addrOf(this.#server.hostname, this.#server.port, this.#unixPath);
  }

  get stats(): ListenerStats {
    return this.#admission.stats;
  }

  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#server.stop();
      this.#host.forget(this);
    }
    return Promise.resolve();
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }

  takeOpen(socket: BunSocket): void {
    const admission = this.#admission;
    if (!admission.admits(this.#isClosed)) return socket.terminate();
    const isUnix = this.#unixPath !== null;
    if (!isUnix && socket.remoteAddress === undefined) {
      admission.failed(); // Reset before it was accepted: the system no longer knows who it was (ECONNABORTED elsewhere).
      return socket.terminate();
    }
    const protocol = admission.makeProtocol();
    if (protocol === null) return socket.end();
    const { hub, gather } = this.#host;
    const transport = new BunTransport(
      hub,
      protocol,
      socket,
      addrOf(socket.localAddress, socket.localPort, this.#unixPath),
      addrOf(socket.remoteAddress, socket.remotePort, isUnix ? "" : null),
      gather,
      () => admission.closed(),
    );
    admission.opened();
    transport.start();
  }

  // A socket that was turned away stays the listener's: what becomes of it is nobody's business.
  takeRead(): void {}
  takeEnd(): void {}
  takeDrain(): void {}
  takeClose(): void {}
}

/**
 * What a connection goes through before its HTTP, where clients come through a proxy: the PROXY header.
 *
 * Only trusted addresses may send a header, and they must: a peer that could choose would choose whose address it has.
 * Others are refused, or served as they are if the server says so. What is refused is reset; there is no one to explain
 * it to.
 *
 * Invariant: a connection is counted once. When its header came (or none is due, or the server stops) it is a connection like
 * any other, `connectionsTotal`; else it is among `deadlinesPassed.prelude` when the header was too late, and among
 * `proxyHeaderErrors` when there was something else, an end or a reset instead.
 *
 * @module
 */
import { ConnectionAbortedError, DeadlineExceededError } from "../io/errors.ts";
import type { Protocol, Timer, Transport } from "../io/selector.ts";
import { Connection } from "./connection.ts";
import { AddressSet } from "./ip_address.ts";
import { type ProxyHeader, ProxyHeaderParser } from "./proxy_protocol.ts";
import type { ServerConnection, ServerContext } from "./server_context.ts";

/** Who may, and must, send a PROXY header. */
export interface ProxyProtocolOptions {
  /** Addresses of the proxies, and prefixes of such: `["10.0.0.0/8", "::1"]`. Peers on a Unix socket are always trusted. */
  readonly trusted: readonly string[];
  /** What becomes of others: `"refuse"` (the default) resets them, `"plain"` serves them without a header. */
  readonly untrusted?: "refuse" | "plain";
}

/** The same, checked. */
export class ProxyRule {
  readonly #trusted: AddressSet;
  readonly #servesOthers: boolean;

  /**
   * Checks the options.
   *
   * @param options who may send a header
   * @throws TypeError for an address that is none, or a word that is unknown
   */
  constructor(options: ProxyProtocolOptions) {
    const { trusted, untrusted = "refuse" } = options;
    if (!Array.isArray(trusted)) {
      throw new TypeError("Cannot take PROXY headers: proxyProtocol.trusted must be a list");
    }
    if (untrusted !== "refuse" && untrusted !== "plain") {
      throw new TypeError(
        `Cannot take PROXY headers: proxyProtocol.untrusted is neither "refuse" nor "plain"`,
      );
    }
    this.#trusted = new AddressSet(trusted);
    this.#servesOthers = untrusted === "plain";
  }

  /** What is due from the peer of `transport`. */
  due(transport: Transport): "header" | "nothing" | "refusal" {
    const { remoteAddr } = transport;
    if (remoteAddr.transport === "unix" || this.#trusted.has(remoteAddr.hostname)) return "header";
    return this.#servesOthers ? "nothing" : "refusal";
  }
}

/** The protocol of a connection until its header came. */
export class ProxyPrelude implements Protocol, ServerConnection {
  readonly #server: ServerContext;
  readonly #rule: ProxyRule;
  readonly #parser: ProxyHeaderParser = new ProxyHeaderParser();
  #transport: Transport | null = null;
  #timer: Timer | null = null;
  /** Whether it was refused, and counted. */
  #isOver = false;

  /** @param server what the server's connections share @param rule who may send a header */
  constructor(server: ServerContext, rule: ProxyRule) {
    this.#server = server;
    this.#rule = rule;
  }

  opened(transport: Transport): void {
    const server = this.#server;
    this.#transport = transport;
    server.connections.add(this);
    const due = this.#rule.due(transport);
    if (due === "nothing") {
      this.#handOver(null);
      return;
    }
    if (due === "refusal") return this.#refuse("its address may not send one");
    const { preludeMs } = server.deadlines;
    if (preludeMs !== Infinity) this.#timer = server.timers.after(preludeMs, () => this.#tooLate(preludeMs));
    if (server.draining !== null) this.beginDraining();
  }

  received(bytes: Uint8Array): void {
    const { stats } = this.#server;
    let taken: number;
    try {
      taken = this.#parser.feed(bytes);
    } catch (error) {
      stats.bytesReceived += bytes.length;
      return this.#refuse((error as Error).message);
    }
    stats.bytesReceived += taken; // The connection counts the rest.
    const { header } = this.#parser;
    if (header === null) return;
    const connection = this.#handOver(header);
    if (taken < bytes.length) connection.received(bytes.subarray(taken));
  }

  ended(): void {
    this.#countError();
  }

  pauseWriting(): void {}

  resumeWriting(): void {}

  closed(): void {
    this.#countError();
    this.#leave();
    this.#server.onConnectionGone?.();
  }

  beginDraining(): void {
    if (this.#isOver) return; // Its end is on its way.
    this.#server.draining!.idle++;
    this.#handOver(null); // It ends as any other does, so that what is on its way meets no reset.
  }

  endIdle(): void {}

  cutStream(): void {}

  cut(reason: Error): void {
    this.#transport!.abort(reason);
  }

  #leave(): void {
    this.#timer?.cancel();
    this.#server.connections.delete(this);
  }

  #handOver(header: ProxyHeader | null): Connection {
    this.#leave();
    const transport = this.#transport!;
    const connection = new Connection(this.#server);
    transport.setProtocol(connection);
    connection.openedAs(
      transport,
      header?.source ?? transport.remoteAddr,
      header?.destination ?? transport.localAddr,
    );
    return connection;
  }

  #countError(): void {
    if (!this.#isOver) this.#server.stats.proxyHeaderErrors++;
    this.#isOver = true;
  }

  #refuse(why: string): void {
    this.#countError();
    this.#transport!.abort(new ConnectionAbortedError(why));
  }

  #tooLate(preludeMs: number): void {
    this.#isOver = true;
    this.#server.stats.deadlinesPassed.prelude++;
    this.#transport!.abort(new DeadlineExceededError("Cannot wait for the PROXY header", preludeMs));
  }
}

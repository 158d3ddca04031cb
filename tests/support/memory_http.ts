/**
 * `serve()` on a network in memory with a clock that is moved by hand, and clients that send and see exact bytes.
 *
 * Everything runs through the checking selector: a test that ends its `MemoryHttp` (with `await using`) also asserts
 * the transport contract, that nothing was left open, and that no timer was left armed.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Protocol, Transport } from "../../io/selector.ts";
import { CheckedSelector } from "../../io/selectors/checked.ts";
import { FaultPlan } from "../../io/testing/fault_plan.ts";
import { MemorySelector } from "../../io/testing/memory_selector.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import type { Handler } from "../../server/handler.ts";
import { serve, type ServeOptions, type Server } from "../../server/serve.ts";

/** How often `settle` looks again: promise code on top of streams needs a few turns of the event loop. */
const SETTLE_ROUNDS = 8;

/** As many arguments as any engine takes in one call. */
const PIECE_BYTES = 8_192;

/** How a client's connection ended: not yet, by the server's FIN, or by a reset. */
export type ClientEnd = "open" | "closed" | "reset";

/** A server in memory. */
export class MemoryHttp implements AsyncDisposable {
  /** Moved by `advance` only. */
  readonly clock: VirtualClock = new VirtualClock();
  /** What the server sees. */
  readonly selector: CheckedSelector;
  /** The server. */
  readonly server: Server;
  /** What `onError` was told. */
  readonly errors: unknown[] = [];
  readonly #memory: MemorySelector;
  readonly #clients: MemoryClient[] = [];
  /** The clock is being moved until it resolves. */
  #moving: Promise<void> | null = null;

  /** @param handler of the server @param options of the server @param faults of the network */
  constructor(handler: Handler, options: ServeOptions = {}, faults: FaultPlan = FaultPlan.none()) {
    this.#memory = new MemorySelector({ clock: this.clock, faults });
    this.selector = new CheckedSelector(this.#memory);
    const onError = (error: unknown) => {
      this.errors.push(error);
      return new Response("failed", { status: 500 });
    };
    this.server = serve({ port: 80, onError, ...options, selector: this.selector }, handler);
  }

  /** Opens a connection. */
  async connect(): Promise<MemoryClient> {
    const client = new MemoryClient();
    this.#clients.push(client);
    await this.#memory.connect({ hostname: "127.0.0.1", port: 80, timeoutMs: null }, () => client);
    await this.settle();
    return client;
  }

  /** Sends text on a new connection, and returns all that came back when nothing more happens by itself. */
  async exchange(text: string): Promise<string> {
    const client = await this.connect();
    client.send(text);
    await this.settle();
    return client.text;
  }

  /** Lets everything happen that happens by itself. */
  async settle(): Promise<void> {
    for (let i = 0; i < SETTLE_ROUNDS; i++) {
      await this.#memory.runUntilIdle();
      await this.#move(0); // What wakes up at once.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await this.#memory.runUntilIdle();
  }

  /** Lets time pass, in steps small enough for what is due to happen in between. */
  async advance(ms: number): Promise<void> {
    await this.#move(ms);
    await this.settle();
  }

  /** Moves the clock, after whoever moves it now. */
  async #move(ms: number): Promise<void> {
    while (this.#moving !== null) await this.#moving;
    this.#moving = this.clock.advance(ms).finally(() => this.#moving = null);
    await this.#moving;
  }

  /** Stops the server and asserts that nothing is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.abort();
    await this.settle();
    await this.server.shutdown({ graceMs: 0 });
    await this.settle();
    const { stats } = this.server;
    assertEquals(stats.connectionsOpen, 0, "connections left open");
    assertEquals(stats.requestsActive, 0, "requests left active");
    assertEquals(stats.streamsOpen, 0, "streams left open");
    assertEquals(this.clock.pendingCount, 0, "timers left armed");
    await this.selector.close();
    await this.#memory.close();
    this.selector.assertClean();
  }
}

/** A client that sends bytes and keeps what comes. */
export class MemoryClient implements Protocol {
  /** All that came so far, one character per byte. */
  text = "";
  /** How the connection ended. */
  end: ClientEnd = "open";
  /** Whether the server's FIN came (the connection may be half open then). */
  hasEnded = false;
  /** Whether to keep the own half open when the server's FIN comes. */
  keepsOpen = false;
  #transport: Transport | null = null;
  #isWritePaused = false;

  opened(transport: Transport): void {
    this.#transport = transport;
  }

  received(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.text += String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES));
    }
  }

  ended(): boolean {
    this.hasEnded = true;
    return this.keepsOpen;
  }

  pauseWriting(): void {
    this.#isWritePaused = true;
  }

  resumeWriting(): void {
    this.#isWritePaused = false;
  }

  closed(reason: Error | null): void {
    this.end = reason === null ? "closed" : "reset";
  }

  /** Whether the server takes less than is sent. */
  get isWritePaused(): boolean {
    return this.#isWritePaused;
  }

  /** Sends text, one byte per character, or bytes. */
  send(data: string | Uint8Array): void {
    if (typeof data === "string") this.#transport!.writeLatin1(data);
    else this.#transport!.write(data);
  }

  /** Takes what came. */
  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }

  /** Takes nothing more, so that the server's bytes pile up. */
  stopReading(): void {
    this.#transport!.pauseReading();
  }

  /** Takes bytes again. */
  startReading(): void {
    this.#transport!.resumeReading();
  }

  /** Sends a FIN. */
  closeWrite(): void {
    this.#transport!.closeWrite();
  }

  /** Resets the connection. */
  abort(): void {
    if (this.end === "open") this.#transport?.abort();
  }
}

/** One response as it came over the wire. */
export interface WireResponse {
  /** Its status. */
  readonly status: number;
  /** Its fields, names in lower case. */
  readonly headers: Headers;
  /** Its body, framing removed, one character per byte. */
  readonly body: string;
  /** What follows it. */
  readonly rest: string;
}

/** Reads one whole response from `text`; fails when it is not whole. HEAD's has no body. */
export function parseResponse(text: string, method = "GET"): WireResponse {
  const headEnd = text.indexOf("\r\n\r\n");
  assert(headEnd >= 0, `no whole head in ${JSON.stringify(text)}`);
  const [statusLine = "", ...lines] = text.slice(0, headEnd).split("\r\n");
  const match = /^HTTP\/1\.[01] (\d{3}) /.exec(statusLine);
  assert(match !== null, `no status line: ${JSON.stringify(statusLine)}`);
  const headers = new Headers(lines.map((line): [string, string] => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon), line.slice(colon + 2)];
  }));
  const status = Number(match[1]);
  const after = text.slice(headEnd + 4);
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) {
    return { status, headers, body: "", rest: after };
  }
  if (headers.get("transfer-encoding") === "chunked") {
    const { body, rest } = parseChunks(after);
    return { status, headers, body, rest };
  }
  const length = headers.get("content-length");
  if (length === null) return { status, headers, body: after, rest: "" };
  assert(after.length >= Number(length), `body cut short: ${after.length} of ${length} bytes`);
  return { status, headers, body: after.slice(0, Number(length)), rest: after.slice(Number(length)) };
}

/** All responses in `text`, each whole; none is HEAD's. */
export function responsesIn(text: string): WireResponse[] {
  const responses: WireResponse[] = [];
  for (let rest = text; rest !== "";) {
    const response = parseResponse(rest);
    responses.push(response);
    rest = response.rest;
  }
  return responses;
}

function parseChunks(text: string): { body: string; rest: string } {
  let body = "";
  for (let at = 0;;) {
    const lineEnd = text.indexOf("\r\n", at);
    assert(lineEnd >= 0, "chunked body cut short");
    const size = parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      const end = text.startsWith("\r\n", lineEnd + 2) ? lineEnd + 4 : text.indexOf("\r\n\r\n", lineEnd) + 4;
      assert(end >= 4, "trailers cut short");
      return { body, rest: text.slice(end) };
    }
    const dataEnd = lineEnd + 2 + size;
    assert(text.slice(dataEnd, dataEnd + 2) === "\r\n", "chunk cut short");
    body += text.slice(lineEnd + 2, dataEnd);
    at = dataEnd + 2;
  }
}

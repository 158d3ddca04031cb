/**
 * An upstream that says exactly the bytes a test wants, on the runtime's own sockets, so that a fault of ours cannot hide
 * itself. Every connection runs the same script; a script that throws makes `[Symbol.asyncDispose]` throw.
 */

import net from "node:net";
import { deadline } from "@std/async";

/** How long one wait may take: far more than any needs, far less than a test run. */
const WAIT_MS = 60_000;

/** How a connection ended, seen from the upstream: the gateway's FIN, its RST, or our own doing. */
export type UpstreamEnd = "closed" | "reset";

/** What a script does with its connection. */
export type UpstreamScript = (connection: RawConnection, index: number) => Promise<void> | void;

/** One accepted connection. */
export class RawConnection {
  /** Resolves when the other end is gone. */
  readonly ended: Promise<UpstreamEnd>;
  readonly socket: net.Socket;
  #seen = "";
  #more = Promise.withResolvers<void>();
  #isOver = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    const end = Promise.withResolvers<UpstreamEnd>();
    this.ended = end.promise;
    let isReset = false;
    socket.setNoDelay(true);
    socket.on("data", (bytes) => this.#saw(bytes.toString("latin1")));
    socket.on("end", () => {
      this.#over();
      end.resolve("closed");
    });
    socket.on("error", () => isReset = true);
    socket.on("close", () => {
      this.#over();
      end.resolve(isReset ? "reset" : "closed");
    });
  }

  /** Waits for a text and takes everything up to its end; one code unit is one byte. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.#seen.indexOf(text);
      if (at >= 0) return this.#take(at + text.length);
      await this.#wait(`waiting for ${JSON.stringify(text)}`);
    }
  }

  /** Takes one request head. */
  head(): Promise<string> {
    return this.until("\r\n\r\n");
  }

  /** Takes a number of bytes. */
  async exactly(length: number): Promise<string> {
    while (this.#seen.length < length) await this.#wait(`waiting for ${length} bytes`);
    return this.#take(length);
  }

  /** Sends text (UTF-8) or bytes; resolves when they are with the kernel. */
  send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return new Promise((resolve, reject) =>
      this.socket.write(bytes, (error) => error ? reject(error) : resolve())
    );
  }

  /** Sends bytes one by one, each in a write and a turn of its own. */
  async sendBytewise(text: string): Promise<void> {
    for (const byte of new TextEncoder().encode(text)) {
      await this.send(Uint8Array.of(byte));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Sends a response with a length. */
  reply(body: string, status = "200 OK", ...fields: string[]): Promise<void> {
    const { length } = new TextEncoder().encode(body);
    const head = [`HTTP/1.1 ${status}`, ...fields, `Content-Length: ${length}`];
    return this.send(`${head.join("\r\n")}\r\n\r\n${body}`);
  }

  /** Begins an event stream. */
  beginEvents(): Promise<void> {
    return this.send(
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
  }

  /** Sends one chunk of the chunked coding. */
  chunk(text: string): Promise<void> {
    return this.send(`${new TextEncoder().encode(text).length.toString(16)}\r\n${text}\r\n`);
  }

  /** Sends a FIN. */
  end(): void {
    this.socket.end();
  }

  /** Sends an RST. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  #take(length: number): string {
    const taken = this.#seen.slice(0, length);
    this.#seen = this.#seen.slice(length);
    return taken;
  }

  async #wait(doing: string): Promise<void> {
    if (this.#isOver) throw new Error(`${doing}: the connection is over after ${JSON.stringify(this.#seen)}`);
    await deadline(this.#more.promise, WAIT_MS);
  }

  #saw(text: string): void {
    this.#seen += text;
    this.#wake();
  }

  #over(): void {
    this.#isOver = true;
    this.#wake();
  }

  #wake(): void {
    const { resolve } = this.#more;
    this.#more = Promise.withResolvers<void>();
    resolve();
  }
}

/** A listening upstream; declare it with `await using`. */
export class RawUpstream implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #connections = new Set<RawConnection>();
  readonly #scripts: Promise<void>[] = [];
  #failure: unknown = null;
  #count = 0;

  private constructor(script: UpstreamScript) {
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const connection = new RawConnection(socket);
      this.#connections.add(connection);
      const run = async () => await script(connection, this.#count++);
      this.#scripts.push(
        run().catch((error) => {
          this.#failure ??= error;
          connection.reset(); // so that nobody waits for what will not come
        }),
      );
    });
  }

  /** Listens on a free port and runs `script` for each connection. */
  static async start(script: UpstreamScript): Promise<RawUpstream> {
    const upstream = new RawUpstream(script);
    await new Promise<void>((resolve) => upstream.#server.listen(0, "127.0.0.1", resolve));
    return upstream;
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.#count;
  }

  /** Its URL, for `gateway({ upstream })`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** Cuts what is open, stops listening, and throws what a script threw. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.socket.destroy();
    await Promise.all([closed, ...[...this.#connections].map((connection) => connection.ended)]);
    await Promise.all(this.#scripts);
    if (this.#failure !== null) throw this.#failure;
  }
}

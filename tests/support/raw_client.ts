/**
 * A TCP client that sends exactly the bytes it is given and says exactly what came back.
 *
 * It stands on the runtime's own sockets, not on ours, so that a fault of ours cannot hide itself. Every wait ends:
 * after `WAIT_MS` a test fails with what it has seen so far.
 */

import { deadline } from "@std/async";

/** How long one wait may take: far more than any answer needs, far less than the limit of a test run. */
const WAIT_MS = 60_000;

/** How many bytes may be waiting to be looked at; a test that expects more says so. */
const BUFFER_BYTES_MAX = 16 * 1024 * 1024;

/** How much is read at a time. */
const READ_BYTES = 64 * 1024;

/** Where a raw client connects to. */
export type RawTarget = { hostname?: string; port: number } | { path: string };

/** How a connection ended: the peer's FIN, or its RST. */
export type RawEnd = "closed" | "reset";

/** One connection; close it, or declare it with `using`. */
export class RawClient implements Disposable {
  readonly #conn: Deno.Conn;
  readonly #decoder = new TextDecoder("latin1"); // one character per byte, so that offsets agree
  readonly #scratch = new Uint8Array(READ_BYTES);
  #seen = "";
  #end: RawEnd | undefined;
  #isClosed = false;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Connects to a port or to a Unix socket. */
  static async connect(target: RawTarget): Promise<RawClient> {
    if ("path" in target) return new RawClient(await Deno.connect({ transport: "unix", path: target.path }));
    const conn = await Deno.connect({ hostname: target.hostname ?? "127.0.0.1", port: target.port });
    conn.setNoDelay(true); // each piece its own packet
    return new RawClient(conn);
  }

  /** Sends text (as UTF-8) or bytes, all of it. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let sent = 0; sent < bytes.length;) sent += await this.#conn.write(bytes.subarray(sent));
  }

  /** Sends each piece on its own, handing it to the kernel before the next: packets split where we like. */
  async sendPieces(pieces: Iterable<string | Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      await this.send(piece);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  /** Waits until a text has come, and takes everything up to its end. One character is one byte. */
  async readUntil(text: string): Promise<string> {
    for (;;) {
      const at = this.#seen.indexOf(text);
      if (at >= 0) return this.#take(at + text.length);
      await this.#readMore(`waiting for ${JSON.stringify(text)}`);
    }
  }

  /** Waits for a number of bytes and takes them. */
  async readExactly(length: number): Promise<string> {
    while (this.#seen.length < length) await this.#readMore(`waiting for ${length} bytes`);
    return this.#take(length);
  }

  /** Takes one HTTP response with `Content-Length` or chunked framing, or one without a body, as text. */
  async readResponse(options: { isHead?: boolean } = {}): Promise<RawResponse> {
    const head = await this.readUntil("\r\n\r\n");
    const [statusLine = "", ...lines] = head.slice(0, -4).split("\r\n");
    const headers = new Headers(lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }));
    const status = Number(statusLine.split(" ")[1]);
    const hasBody = !options.isHead && status >= 200 && status !== 204 && status !== 304;
    return { status, statusLine, headers, body: hasBody ? await this.#readBody(headers) : "" };
  }

  async #readBody(headers: Headers): Promise<string> {
    const length = headers.get("content-length");
    if (length !== null) return await this.readExactly(Number(length));
    if (headers.get("transfer-encoding") !== "chunked") return await this.readToEnd();
    let body = "";
    for (;;) {
      const size = parseInt(await this.readUntil("\r\n"), 16);
      if (size === 0) break;
      body += await this.readExactly(size);
      await this.readUntil("\r\n");
    }
    while (await this.readUntil("\r\n") !== "\r\n"); // trailers
    return body;
  }

  /** Reads until the peer ends the connection, and takes everything. Fails if the end is a reset. */
  async readToEnd(): Promise<string> {
    const end = await this.waitEnd();
    if (end !== "closed") throw new Error(`expected an orderly end, got a ${end} after ${this.#shown()}`);
    return this.#take(this.#seen.length);
  }

  /** Waits for the end of the connection and says which it was; what came before stays to be taken. */
  async waitEnd(): Promise<RawEnd> {
    while (!this.#end) await this.#readOnce("waiting for the end");
    return this.#end;
  }

  /** Fails unless the peer ends the connection in order, with nothing left unread. */
  async expectClosed(): Promise<void> {
    const rest = await this.readToEnd();
    if (rest !== "") throw new Error(`expected nothing more before the end, got ${JSON.stringify(rest)}`);
  }

  /** Fails unless the peer resets the connection. */
  async expectReset(): Promise<void> {
    const end = await this.waitEnd();
    if (end !== "reset") {
      throw new Error(`expected a reset, the connection was ${end} after ${this.#shown()}`);
    }
  }

  /** Sends a FIN: nothing more will be sent, but answers can still be read. */
  async closeWrite(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Closes the connection; again is no harm. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#conn.close();
  }

  /** Closes the connection, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #take(length: number): string {
    const taken = this.#seen.slice(0, length);
    this.#seen = this.#seen.slice(length);
    return taken;
  }

  async #readMore(doing: string): Promise<void> {
    if (this.#end) throw new Error(`${doing}: the connection was ${this.#end} after ${this.#shown()}`);
    await this.#readOnce(doing);
  }

  async #readOnce(doing: string): Promise<void> {
    if (this.#seen.length > BUFFER_BYTES_MAX) {
      throw new Error(`${doing}: more than ${BUFFER_BYTES_MAX} bytes came`);
    }
    try {
      const count = await deadline(this.#conn.read(this.#scratch), WAIT_MS);
      if (count === null) this.#end = "closed";
      else this.#seen += this.#decoder.decode(this.#scratch.subarray(0, count));
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionReset) this.#end = "reset";
      else if (error instanceof DOMException && error.name === "TimeoutError") {
        this.close(); // the read is still pending, and would be a leak
        throw new Error(`${doing}: nothing for ${WAIT_MS} ms after ${this.#shown()}`, { cause: error });
      } else throw error;
    }
  }

  #shown(): string {
    return JSON.stringify(this.#seen.slice(-2_000));
  }
}

/** A response as `readResponse` saw it. */
export interface RawResponse {
  /** Status code. */
  readonly status: number;
  /** The whole status line. */
  readonly statusLine: string;
  /** Header fields. */
  readonly headers: Headers;
  /** The body with its framing removed, one character per byte. */
  readonly body: string;
}

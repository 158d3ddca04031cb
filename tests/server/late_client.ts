/**
 * A thread that sends a request on each of some idle connections while the server's thread stands still, so that they lie in the
 * kernel, unread, when that goes on. It tells `"idle"`, waits for `signal[0]`, sends, sets `signal[1]`, and tells what came back.
 */

import { connect, type Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";

/** What the thread is given. */
export interface LateClientData {
  /** Where the server listens. */
  readonly port: number;
  /** How many connections. */
  readonly count: number;
  /** Set to 1: first by the test, that it may send; then by the thread, that it has. */
  readonly signal: Int32Array;
}

/** What came back on one connection. */
export interface LateAnswer {
  /** All that came after the request was sent. */
  readonly text: string;
  /** How it ended: `"end"`, or the error's code. */
  readonly end: string;
}

const REQUEST = "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/** One connection. */
class LateClient {
  readonly #socket: Socket;
  #text = "";

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (text) => this.#text += text);
  }

  /** Has a first request answered. */
  async becomeIdle(): Promise<void> {
    this.#socket.write("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    while (!this.#text.endsWith("\r\n\r\n/first")) {
      await new Promise((resolve) => this.#socket.once("data", resolve));
    }
    this.#text = "";
  }

  /** Hands the kernel a second one. */
  send(): Promise<void> {
    return new Promise((resolve) => void this.#socket.write(REQUEST, () => resolve()));
  }

  /** What comes of that; to be called before anything can come. */
  outcome(): Promise<LateAnswer> {
    return new Promise((resolve) => {
      const over = (end: string) => resolve({ text: this.#text, end });
      this.#socket.once("end", () => over("end"));
      this.#socket.once("error", (error) => over((error as { code?: string }).code ?? error.message));
    });
  }
}

async function main({ port, count, signal }: LateClientData): Promise<void> {
  const clients = Array.from({ length: count }, () => new LateClient(port));
  await Promise.all(clients.map((client) => client.becomeIdle()));
  const outcomes = Promise.all(clients.map((client) => client.outcome()));
  parentPort!.postMessage("idle");
  Atomics.wait(signal, 0, 0);
  await Promise.all(clients.map((client) => client.send()));
  Atomics.store(signal, 1, 1);
  Atomics.notify(signal, 1);
  parentPort!.postMessage(await outcomes);
}

if (parentPort !== null) await main(workerData as LateClientData);

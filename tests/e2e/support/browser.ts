/**
 * A real browser: headless Chromium, driven by its DevTools protocol over one WebSocket.
 *
 * Just enough of the protocol to open a page, run script in it and wait for what it shows.
 * Source: https://chromedevtools.github.io/devtools-protocol/
 */

import { deadline } from "@std/async";
import { type Child, spawnChild } from "../../support/spawn_child.ts";

/** How long one command may take: a wait in the page included. */
const COMMAND_MS = 30_000;

/** Names Chromium goes by. */
const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

/** Quiet, alone, and able to run as root in a container. */
const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"],
  "--disable-features=BackForwardCache", // a page that was left is gone, its connections too
  "--remote-debugging-port=0",
];

/** The browser's program, or `null` when there is none. */
export async function findChromium(): Promise<string | null> {
  for (const program of PROGRAMS) {
    try {
      await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).output();
      return program;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return null;
}

/** What comes over the WebSocket: an answer to a command, or an event. */
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** A running browser with one page; `await using` ends it. */
export class Browser implements AsyncDisposable {
  readonly #child: Child;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  #nextId = 1;
  #session: string | undefined;
  /** Hears that a page has loaded. */
  #onLoad: () => void = () => {};

  private constructor(child: Child, folder: string, socket: WebSocket) {
    this.#child = child;
    this.#folder = folder;
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => {
      for (const answer of this.#answers.values()) answer.reject(new Error("the browser is gone"));
    };
  }

  /** Starts the browser with an empty page. */
  static async start(program: string): Promise<Browser> {
    const folder = await Deno.makeTempDir();
    const child = spawnChild(program, [...FLAGS, `--user-data-dir=${folder}`, "about:blank"]);
    try {
      const [, url = ""] = await child.stderr.match(/DevTools listening on (ws:\S+)/);
      const socket = new WebSocket(url);
      const browser = new Browser(child, folder, socket);
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = reject;
      });
      await browser.#attach();
      return browser;
    } catch (error) {
      await child.stop("SIGKILL");
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Opens an address and waits until it has loaded. */
  async open(url: string): Promise<void> {
    await this.#load("Page.navigate", { url });
  }

  /** Loads the page again and waits until it has loaded. */
  async reload(): Promise<void> {
    await this.#load("Page.reload", {});
  }

  /** Runs an expression in the page and returns its value, which must have a JSON. */
  async run(expression: string): Promise<unknown> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#command("Runtime.evaluate", params) as {
      result: { value?: unknown };
      exceptionDetails?: unknown;
    };
    if (exceptionDetails) throw new Error(`${expression} threw: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Waits until an expression is true in the page: it is asked once a frame. */
  async waitFor(expression: string): Promise<void> {
    await this.run(`new Promise((resolve) => {
      const ask = () => (${expression}) ? resolve(true) : requestAnimationFrame(ask);
      ask();
    })`);
  }

  /** A picture of the page, as PNG. */
  async screenshot(): Promise<Uint8Array> {
    const { data } = await this.#command("Page.captureScreenshot", { format: "png" });
    return Uint8Array.fromBase64(data as string);
  }

  /** Ends the browser and removes what it kept. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.addEventListener("close", resolve));
    await this.#child.stop("SIGKILL");
    await closed;
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #attach(): Promise<void> {
    const { targetInfos } = await this.#command("Target.getTargets", {}) as {
      targetInfos: { type: string; targetId: string }[];
    };
    const page = targetInfos.find(({ type }) => type === "page");
    const { targetId } = page ?? await this.#command("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#command("Target.attachToTarget", { targetId, flatten: true });
    this.#session = sessionId as string;
    await this.#command("Page.enable", {});
  }

  async #load(method: string, params: Record<string, unknown>): Promise<void> {
    const loaded = Promise.withResolvers<void>();
    this.#onLoad = loaded.resolve;
    await this.#command(method, params);
    await deadline(loaded.promise, COMMAND_MS);
  }

  async #command(method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> {
    const id = this.#nextId++;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#answers.set(id, answer);
    this.#socket.send(
      JSON.stringify({ id, method, params, ...(this.#session && { sessionId: this.#session }) }),
    );
    try {
      return await deadline(answer.promise, COMMAND_MS);
    } catch (cause) {
      throw new Error(`${method} ${JSON.stringify(params)}: ${cause}`, { cause });
    } finally {
      this.#answers.delete(id);
    }
  }

  #take({ id, method, result, error }: Message): void {
    if (method === "Page.loadEventFired") this.#onLoad();
    const answer = id === undefined ? undefined : this.#answers.get(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result ?? {});
  }
}

/** A peer in memory that says and sees exactly the bytes a test wants: an upstream, or a client, without HTTP. */

import type {
  ConnectOptions,
  Listener,
  Protocol,
  Selector,
  TcpAddr,
  Transport,
} from "../../../io/selector.ts";

/** One end of a connection, driven by a test. */
export class MemoryPeer implements Protocol {
  /** Everything that came and was not taken yet, one code unit per byte. */
  text = "";
  /** Whether the other end sent its FIN. */
  isEnded = false;
  /** Resolves when the connection is gone, with the reason. */
  readonly closedReason: Promise<Error | null>;
  readonly #closed = Promise.withResolvers<Error | null>();
  #transport: Transport | null = null;
  /** Whether the connection is gone. */
  isClosed = false;
  #more = Promise.withResolvers<void>();
  readonly #onOpened: (peer: MemoryPeer) => void;

  constructor(onOpened: (peer: MemoryPeer) => void = () => {}) {
    this.#onOpened = onOpened;
    this.closedReason = this.#closed.promise;
  }

  get transport(): Transport {
    return this.#transport!;
  }

  /** Waits for a text and takes everything up to its end. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.text.indexOf(text);
      if (at >= 0) return this.take(at + text.length);
      if (this.isEnded || this.isClosed) {
        throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(this.text)}`);
      }
      await this.#more.promise;
    }
  }

  /** Waits for the other end's FIN. */
  async untilEnded(): Promise<void> {
    while (!this.isEnded && !this.isClosed) await this.#more.promise;
  }

  take(length: number): string {
    const taken = this.text.slice(0, length);
    this.text = this.text.slice(length);
    return taken;
  }

  /** Sends text, one byte per code unit. */
  send(text: string): void {
    this.transport.writeLatin1(text);
  }

  opened(transport: Transport): void {
    this.#transport = transport;
    this.#onOpened(this);
  }

  received(bytes: Uint8Array): void {
    this.text += String.fromCharCode(...bytes);
    this.#wake();
  }

  ended(): boolean {
    this.isEnded = true;
    this.#wake();
    return true;
  }

  pauseWriting(): void {}

  resumeWriting(): void {}

  closed(reason: Error | null): void {
    this.isClosed = true;
    this.#wake();
    this.#closed.resolve(reason);
  }

  #wake(): void {
    const { resolve } = this.#more;
    this.#more = Promise.withResolvers<void>();
    resolve();
  }
}

/** A listener whose connections a test accepts one by one. */
export class MemoryUpstream {
  readonly listener: Listener;
  readonly #peers: MemoryPeer[] = [];
  #more = Promise.withResolvers<void>();

  constructor(selector: Selector) {
    this.listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () =>
      new MemoryPeer((peer) => {
        this.#peers.push(peer);
        this.#more.resolve();
        this.#more = Promise.withResolvers<void>();
      }));
  }

  get port(): number {
    return (this.listener.addr as TcpAddr).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get target(): ConnectOptions {
    return { hostname: "127.0.0.1", port: this.port };
  }

  /** Connections that were not accepted yet. */
  get pending(): number {
    return this.#peers.length;
  }

  /** The next connection, in the order in which they came. */
  async accept(): Promise<MemoryPeer> {
    while (this.#peers.length === 0) await this.#more.promise;
    return this.#peers.shift()!;
  }
}

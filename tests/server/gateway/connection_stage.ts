/** A client connection to a peer that the test plays, on a clock that the test moves. */

import { assertEquals } from "@std/assert";
import type { SluiceError } from "../../../io/errors.ts";
import { MemorySelector, VirtualClock } from "../../../io/testing/mod.ts";
import {
  ClientConnection,
  type ConnectionOwner,
  type ConnectionSetup,
  type ExchangeListener,
} from "../../../server/gateway/client_connection.ts";
import { RESPONSE_LIMITS_DEFAULT } from "../../../server/http1/limits.ts";
import type { ResponseHead } from "../../../server/http1/message.ts";
import { type MemoryPeer, MemoryUpstream } from "./memory_peer.ts";

/** Deadlines that differ from each other. */
export const SETUP: ConnectionSetup = {
  name: "http://upstream",
  limits: RESPONSE_LIMITS_DEFAULT,
  idleTimeoutMs: 4_000,
  headTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 30_000,
  continueTimeoutMs: 1_000,
};

/** A request. */
export const GET = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/** An answer to it. */
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/** Writes down what one exchange hears. */
export class Recorder implements ExchangeListener {
  readonly log: string[] = [];
  error: SluiceError | null = null;
  onBodyCall: () => void = () => {};

  onInterim(head: ResponseHead) {
    this.log.push(`interim ${head.status}`);
  }
  onContinue() {
    this.log.push("continue");
  }
  onHead(head: ResponseHead) {
    this.log.push(`head ${head.status}`);
  }
  onBody(bytes: Uint8Array) {
    this.log.push(`body ${new TextDecoder().decode(bytes)}`);
    this.onBodyCall();
  }
  onEnd() {
    this.log.push("end");
  }
  onRead() {
    this.log.push("read");
  }
  onFailed(error: SluiceError) {
    this.error = error;
    this.log.push("failed");
  }
  onSendResumed() {
    this.log.push("resumed");
  }
}

/** Writes down what the owner hears. */
export class Owner implements ConnectionOwner {
  readonly log: string[] = [];
  onOpen() {
    this.log.push("open");
  }
  onIdle() {
    this.log.push("idle");
  }
  onClosed() {
    this.log.push("closed");
  }
}

/** What a test gets to work with. */
export interface ConnectionStage {
  readonly clock: VirtualClock;
  readonly selector: MemorySelector;
  readonly owner: Owner;
  readonly connection: ClientConnection;
  readonly peer: MemoryPeer;
  settle(): Promise<void>;
}

/** A connection to a peer that the test plays. */
export async function withConnection(
  setup: Partial<ConnectionSetup>,
  play: (stage: ConnectionStage) => Promise<void>,
): Promise<void> {
  const clock = new VirtualClock();
  await using selector = new MemorySelector({ clock });
  const upstream = new MemoryUpstream(selector);
  const owner = new Owner();
  const connection = new ClientConnection(owner, { ...SETUP, ...setup }, selector.timers);
  await selector.connect(upstream.target, () => connection);
  const peer = await upstream.accept();
  await play({ clock, selector, owner, connection, peer, settle: () => selector.runUntilIdle() });
}

/** Begins a GET and waits until the peer has it. */
export async function beginGet({ connection, peer }: ConnectionStage): Promise<Recorder> {
  const recorder = new Recorder();
  connection.begin(recorder, "GET", GET, "none", false);
  assertEquals(await peer.until("\r\n\r\n"), GET);
  return recorder;
}

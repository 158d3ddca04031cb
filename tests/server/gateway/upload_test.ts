import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { MemorySelector } from "../../../io/testing/mod.ts";
import type { BodyConsumer, BodyFlow, BodySource } from "../../../server/body_source.ts";
import { ClientConnection } from "../../../server/gateway/client_connection.ts";
import { Upload } from "../../../server/gateway/upload.ts";
import type { Fields } from "../../../server/http1/message.ts";
import { RESPONSE_LIMITS_DEFAULT } from "../../../server/http1/limits.ts";
import { requestHead } from "./heads.ts";
import { type MemoryPeer, MemoryUpstream } from "./memory_peer.ts";

const SETUP = {
  name: "http://upstream",
  limits: RESPONSE_LIMITS_DEFAULT,
  idleTimeoutMs: 4_000,
  headTimeoutMs: null,
  bodyIdleTimeoutMs: null,
  continueTimeoutMs: 1_000,
};

/** A body whose bytes the test sends. */
class Source implements BodySource {
  readonly length = null;
  isUsed = false;
  readonly log: string[] = [];
  consumer: BodyConsumer | null = null;
  /** What is delivered from inside `consume`. */
  readonly #first: Uint8Array | null;
  constructor(first: Uint8Array | null = null) {
    this.#first = first;
  }
  consume(consumer: BodyConsumer): BodyFlow {
    this.isUsed = true;
    this.consumer = consumer;
    if (this.#first !== null) consumer.chunk(this.#first);
    return {
      pause: () => void this.log.push("pause"),
      resume: () => void this.log.push("resume"),
      cancel: () => void this.log.push("cancel"),
    };
  }
}

interface Stage {
  readonly connection: ClientConnection;
  readonly peer: MemoryPeer;
  readonly upload: Upload;
  readonly counters: { requestBytes: number };
  readonly failures: Error[];
  settle(): Promise<void>;
}

/** An exchange on a connection that has sent its head and is about to send its body. */
async function withUpload(
  framing: "length" | "chunked",
  play: (stage: Stage) => Promise<void>,
): Promise<void> {
  await using selector = new MemorySelector();
  const upstream = new MemoryUpstream(selector);
  const connection = new ClientConnection(
    { onOpen() {}, onIdle() {}, onClosed() {} },
    SETUP,
    selector.timers,
  );
  await selector.connect(upstream.target, () => connection);
  const peer = await upstream.accept();
  const counters = { requestBytes: 0 };
  const failures: Error[] = [];
  const upload = new Upload(connection, counters, (reason) => failures.push(reason));
  const ignore = () => {};
  connection.begin(
    {
      onInterim: ignore,
      onContinue: ignore,
      onHead: ignore,
      onBody: ignore,
      onEnd: ignore,
      onRead: ignore,
      onFailed: ignore,
      onSendResumed: () => upload.resume(),
    },
    "POST",
    "POST / HTTP/1.1\r\n\r\n",
    framing,
    false,
  );
  await peer.until("\r\n\r\n");
  await play({ connection, peer, upload, counters, failures, settle: () => selector.runUntilIdle() });
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("the body's bytes are sent as they come, and counted", async () => {
  await withUpload("length", async ({ upload, peer, counters }) => {
    const source = new Source(bytes("first "));
    upload.start(source);
    source.consumer!.chunk(bytes("second"));
    source.consumer!.end(null);
    assertEquals(await peer.until("second"), "first second");
    assertEquals(counters.requestBytes, 12);
  });
});

Deno.test("trailers go on with a chunked body", async () => {
  await withUpload("chunked", async ({ upload, peer }) => {
    const source = new Source(bytes("a"));
    upload.start(source);
    const trailers: Fields = requestHead("GET / HTTP/1.0", "X-Sum: 1", "Keep-Alive: no");
    source.consumer!.end(trailers);
    assertEquals(await peer.until("1\r\n\r\n"), "1\r\na\r\n0\r\nx-sum: 1\r\n\r\n");
  });
});

Deno.test("an upstream that takes no more pauses the source until it does", async () => {
  await withUpload("length", async ({ upload, peer, settle, connection }) => {
    peer.transport.pauseReading();
    const source = new Source();
    upload.start(source);
    for (let i = 0; i < 32 && !connection.isSendPaused; i++) {
      source.consumer!.chunk(new Uint8Array(64 * 1024));
      await settle();
    }
    assert(connection.isSendPaused);
    source.log.length = 0;
    peer.transport.resumeReading();
    await settle();
    assertEquals(source.log, ["resume"]);
  });
});

Deno.test("what came at once and is too much pauses the source from the start", async () => {
  await withUpload("length", async ({ upload, peer, settle }) => {
    peer.transport.pauseReading();
    const source = new Source(new Uint8Array(512 * 1024));
    upload.start(source);
    assertEquals(source.log, ["pause"]);
    await settle();
  });
});

Deno.test("cancel tells the source, once, and sends nothing more", async () => {
  await withUpload("length", async ({ upload, peer, settle, counters }) => {
    const source = new Source();
    upload.start(source);
    upload.cancel(new Error("enough"));
    upload.cancel(new Error("enough"));
    source.consumer!.chunk(bytes("late"));
    source.consumer!.end(null);
    await settle();
    assertEquals([source.log, peer.text, counters.requestBytes], [["cancel"], "", 0]);
  });
});

Deno.test("a body that breaks off is told of, once", async () => {
  await withUpload("length", async ({ upload, failures, settle }) => {
    const source = new Source();
    upload.start(source);
    const reason = new Error("the client left");
    source.consumer!.failed(reason);
    source.consumer!.failed(reason);
    upload.cancel();
    assertEquals(failures.length, 1);
    assertStrictEquals(failures[0], reason);
    assertEquals(source.log, []);
    await settle();
  });
});

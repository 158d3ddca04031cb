/** A browser's own client, `EventSource`, as the judge of our streams and of our decoder. */
import { assertEquals } from "@std/assert";
import { serve } from "../../../server/serve.ts";
import { SseDecoder, type SseMessage } from "../../../server/sse/decode.ts";
import { EventHub } from "../../../server/sse/event_hub.ts";
import { Reply } from "../../../server/reply.ts";
import { seededRandom } from "./support/random.ts";

/** What random streams are made of; every line end may follow any of it. */
const PIECES = [
  ...[
    "data: a",
    "data:b",
    "data",
    "data:  ü",
    "data: 🐢",
    "event: a",
    "event: b",
    "event",
    "id: 1",
    "id",
    "id: x\0y",
  ],
  ...[": c", "foo: x", "\n", "\n\n", "\r", "\r\n", "\r\n\r\n"],
];
const LINE_ENDS = ["", "\n", "\r\n", "\r"];
/** Event names that the streams use; an `EventSource` tells only of names it was asked for. */
const NAMES = ["message", "a", "b", "last"];

/** What an `EventSource` dispatches until the event `last` comes. */
function listen(url: string): Promise<SseMessage[]> {
  const { promise, resolve, reject } = Promise.withResolvers<SseMessage[]>();
  const seen: SseMessage[] = [];
  const source = new EventSource(url);
  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      const { type, data, lastEventId } = event as MessageEvent<string>;
      seen.push({ event: type, data, lastEventId });
      if (type !== "last") return;
      source.close();
      resolve(seen);
    });
  }
  source.onerror = () => reject(new TypeError("the EventSource failed"));
  return promise;
}

Deno.test("the decoder gives what EventSource dispatches, on random streams", async () => {
  const random = seededRandom(7);
  let text = "";
  const server = serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () =>
    new Reply({
      start: (writer) => writer.writeText(text), // and stays open, or the EventSource would reconnect
    }, { headers: { "content-type": "text/event-stream" } }));
  if (!("port" in server.addr)) throw new TypeError("no port");
  for (let round = 0; round < 60; round++) {
    text = "";
    for (let left = random.int(25); left >= 0; left--) {
      text += PIECES[random.int(PIECES.length)]! + LINE_ENDS[random.int(LINE_ENDS.length)]!;
    }
    text += "\n\nevent: last\ndata: x\n\n";
    const decoded: SseMessage[] = [];
    new SseDecoder({ event: (message) => void decoded.push(message) }).feed(new TextEncoder().encode(text));
    const dispatched = await listen(`http://127.0.0.1:${server.addr.port}/`);
    assertEquals(decoded.filter(({ event }) => NAMES.includes(event)), dispatched, JSON.stringify(text));
  }
  await server.shutdown({ streamGraceMs: 0 });
});

Deno.test("an EventSource follows a hub through a restart of its server without missing or repeating an event", async () => {
  await using hub = new EventHub({ retryMs: 10, drainRetryMs: 10 });
  const listenOn = (port: number) =>
    serve(
      { hostname: "127.0.0.1", port, onListen: () => {} },
      (request, info) => hub.subscribe(request, "a", info),
    );
  let server = listenOn(0);
  if (!("port" in server.addr)) throw new TypeError("no port");
  const { port } = server.addr;
  const seen: string[] = [];
  let heard = Promise.withResolvers<void>();
  const source = new EventSource(`http://127.0.0.1:${port}/`);
  source.onmessage = ({ data }) => {
    seen.push(data);
    heard.resolve();
    heard = Promise.withResolvers();
  };
  const until = async (count: number) => {
    while (seen.length < count) await heard.promise;
  };
  await new Promise((resolve) => source.onopen = resolve);
  for (let round = 0; round < 3; round++) {
    await hub.publish("a", { data: `${round} before` });
    await until(3 * round + 1);
    await server.shutdown({ graceMs: 0, streamGraceMs: 0 });
    await hub.publish("a", { data: `${round} meanwhile` });
    server = listenOn(port);
    await until(3 * round + 2);
    await hub.publish("a", { data: `${round} after` });
    await until(3 * round + 3);
  }
  source.close();
  assertEquals(
    seen,
    [0, 1, 2].flatMap((round) => [`${round} before`, `${round} meanwhile`, `${round} after`]),
  );
  await server.shutdown();
});

/** Every file in `examples/` does what it says, with the permissions it names, and fits a screen. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeEvents } from "../server/sse/decode.ts";
import { RawClient } from "./support/raw_client.ts";
import { type Child, spawnChild } from "./support/spawn_child.ts";

const FOLDER = new URL("../examples/", import.meta.url);

/** Examples for other runtimes than Deno: `e2e/embedding_runtimes_test.ts` runs them there. */
const ELSEWHERE: readonly string[] = [
  "embedded_in_bun_serve.ts",
  "embedded_in_express.ts",
  "embedded_in_node_http.ts",
];

/** Lines of an example: what fits a screen. */
const LINES_MAX = 60;

/** A running example. */
interface Example extends Child {
  readonly url: string;
  readonly port: number;
}

/** What an example is told beside the port, where that is not its defaults. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  "embedded_in_hono.ts": ["http://127.0.0.1:9"], // where nobody listens
  "thousand_chats.ts": ["1000", "1"],
};

/** Starts an example as its first comment says, on a free port. */
async function start(name: string): Promise<Example> {
  const source = await Deno.readTextFile(new URL(name, FOLDER));
  const [, command = ""] = /`deno ((?:run|serve) .*?\.ts)/.exec(source) ?? [];
  const isServe = command.startsWith("serve "); // It has its port among its flags, and says it among its errors.
  const args = isServe ? command.replace("--port 8000", "--port 0") : `${command} 0`;
  const child = spawnChild("deno", [...args.split(" "), ...ARGUMENTS[name] ?? []], {
    cwd: new URL("../", FOLDER),
  });
  try {
    const [, url = ""] = await (isServe ? child.stderr : child.stdout).match(/istening on (\S+?)\/?\s/);
    return { ...child, url, port: Number(new URL(url).port) };
  } catch (cause) {
    await child.stop("SIGKILL");
    throw new Error(`${name} does not listen; it said: ${child.stderr.text}`, { cause });
  }
}

/** The first events of a stream; then the reader leaves. */
async function events(url: string, count: number, headers: HeadersInit = {}) {
  const response = await fetch(url, { headers });
  const seen = [];
  for await (const event of decodeEvents(response.body!)) if (seen.push(event) === count) break;
  return seen;
}

const post = (url: string, body: string) => fetch(url, { method: "POST", body });

/** What each example must do. */
const TRIALS: Readonly<Record<string, (example: Example) => Promise<void>>> = {
  async "hello.ts"({ url }) {
    assertEquals(await (await fetch(url)).text(), "hello, world\n");
    assertEquals(await (await fetch(`${url}/hello/ada`)).json(), { hello: "ada" });
    assertEquals(await (await post(`${url}/echo`, "back")).text(), "back");
  },

  async "sse_clock.ts"({ url }) {
    const seen = await events(url, 2);
    assertEquals(seen.map(({ event, lastEventId }) => [event, lastEventId]), [["tick", "1"], ["tick", "2"]]);
    const [later] = await events(url, 1, { "last-event-id": "41" });
    assertEquals(JSON.parse(later!.data).tick, 42);
  },

  async "event_hub.ts"({ url }) {
    const room = `${url}/rooms/garden`;
    const { id } = await (await post(`${room}?name=ada`, "hello")).json();
    await (await post(`${room}?name=bob`, "hi, ada")).body?.cancel();
    const [missed] = await events(room, 1, { "last-event-id": id });
    assertEquals([missed!.event, JSON.parse(missed!.data)], ["said", { name: "bob", text: "hi, ada" }]);
    const refused = await post(`${url}/rooms/*`, "no name for a room");
    assertEquals([refused.status, (await refused.json()).status], [400, 400]);
  },

  async "thousand_chats.ts"({ url, stdout }) {
    // How long it took is not for a busy machine to say; tests/e2e/jobs_test.ts shows that a thousand are at work at once.
    const [, done] = await stdout.match(/^(\d+) chats of 1 s each took [\d.]+ s in all, \d+ at once$/m);
    assertEquals(done, "1000");
    await stdout.match(/^25 slots would have needed 40 s$/m);
    const { jobs } = await (await fetch(`${url}?state=done&limit=1`)).json();
    assertEquals([jobs[0].runner, jobs[0].result.tokens], ["chat", 6]);
  },

  async "gateway.ts"({ url }) {
    const models = `${url}/v1/models`;
    const refused = await fetch(models);
    assertEquals([refused.status, refused.headers.get("www-authenticate")], [401, "Bearer"]);
    await refused.body?.cancel();
    const answer = await fetch(models, { headers: { authorization: "Bearer secret" } });
    assertEquals((await answer.json()).data[0].id, "sluice-demo");
    assertEquals((await (await fetch(`${url}/stats`)).json()).outcomes.completed, 1);
  },

  async "stream_lines.ts"({ port }) {
    using client = await RawClient.connect({ port });
    await client.sendPieces(["one\ntw", "o\nthr"]);
    assertEquals(await client.readUntil("TWO\n"), "ONE\nTWO\n");
    await client.sendPieces(["ee\n"]);
    assertEquals(await client.readUntil("\n"), "THREE\n");
    await client.closeWrite();
    await client.expectClosed();
    using endless = await RawClient.connect({ port });
    await endless.send("x".repeat(100_000)); // a line without end
    await endless.waitEnd();
  },

  async "compute_pool.ts"({ url }) {
    const [count, primes] = await Promise.all([fetch(`${url}/count/100000`), fetch(`${url}/primes/30`)]);
    assertEquals(await count.json(), { primes: 9592 });
    assertEquals((await primes.text()).trim().split("\n").map(Number), [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
    const { tasks } = await (await fetch(`${url}/stats`)).json();
    assertEquals([tasks.succeeded, tasks.failed], [2, 0]);
  },

  async "embedded_in_deno_serve.ts"({ url }) {
    assertEquals(await (await fetch(url)).text(), "embedded\n");
    assertEquals((await events(`${url}/count`, 3)).map(({ data }) => data), ["1", "2", "3"]);
    const id = await (await post(`${url}/events/t`, "first")).text();
    await (await post(`${url}/events/t`, "second")).body?.cancel();
    const [second] = await events(`${url}/events/t`, 1, { "last-event-id": id });
    assertEquals(second!.data, "second");
  },

  async "deno_serve_entry.ts"({ url }) {
    assertEquals(await (await fetch(url)).text(), "from deno serve\n");
    assertEquals(await (await post(`${url}/echo`, "there and back")).text(), "there and back");
    assertEquals((await events(`${url}/count`, 3)).map(({ data }) => data), ["1", "2", "3"]);
  },

  async "embedded_in_hono.ts"({ url }) {
    assertEquals(await (await fetch(url)).text(), "hello from Hono\n");
    const id = await (await post(`${url}/events/t`, "first")).text();
    await (await post(`${url}/events/t`, "second")).body?.cancel();
    const [second] = await events(`${url}/events/t`, 1, { "last-event-id": id });
    assertEquals(second!.data, "second");
    const unreachable = await fetch(`${url}/v1/models`);
    assertEquals([unreachable.status, (await unreachable.json()).status], [502, 502]);
  },

  async "std_http_files.ts"({ url }) {
    const text = await Deno.readTextFile(new URL("hello.ts", FOLDER));
    const whole = await fetch(`${url}/files/hello.ts`);
    assertEquals([whole.status, await whole.text()], [200, text]);
    const part = await fetch(`${url}/files/hello.ts`, { headers: { range: "bytes=4-9" } });
    assertEquals([part.status, await part.text()], [206, text.slice(4, 10)]);
    const none = await fetch(`${url}/nothing`);
    assertEquals([none.status, await none.text()], [404, "no such route\n"]);
  },

  async "hono_app.ts"({ url }) {
    assertEquals(await (await fetch(url)).text(), "hello from Hono\n");
    assertEquals(await (await post(`${url}/sum`, "[1, 2, 3]")).json(), { sum: 6 });
    const seen = await events(`${url}/events`, 3);
    assertEquals(seen.map(({ data }) => data), ["event 1", "event 2", "event 3"]);
  },

  async "graceful_shutdown.ts"(example) {
    using reader = await RawClient.connect({ port: example.port });
    await reader.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    await reader.readUntil("\r\n\r\n");
    using worker = await RawClient.connect({ port: example.port });
    await worker.send("GET /work HTTP/1.1\r\nHost: a\r\n\r\n");
    using last = await RawClient.connect({ port: example.port }); // asked after, so answered after it has begun
    await last.send("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await last.readResponse();
    const stopped = example.stop("SIGTERM");
    assertStringIncludes(await reader.readToEnd(), "retry: ");
    const { headers, body } = await worker.readResponse();
    assertEquals([headers.get("connection"), body], ["close", "finished early\n"]);
    assertEquals((await stopped).code, 0);
    assertStringIncludes(example.stdout.text, "stopped: 1 requests finished, 1 streams ended, 0 cut");
  },
};

for (const [name, trial] of Object.entries(TRIALS)) {
  Deno.test(`examples/${name} does what it says`, async () => {
    await using example = await start(name);
    try {
      await trial(example);
    } catch (error) {
      throw new Error(`${name}: ${example.stderr.text}`, { cause: error });
    }
  });
}

Deno.test("every example has its test and fits a screen", () => {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name);
  assertEquals(names.toSorted(), [...Object.keys(TRIALS), ...ELSEWHERE].toSorted());
  for (const name of names) {
    const { length } = Deno.readTextFileSync(new URL(name, FOLDER)).split("\n");
    assert(length <= LINES_MAX + 1, `${name} has ${length} lines`);
  }
});

/** The same parts in other people's servers, each a real process of its runtime, spoken to over real sockets. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { installRuntimes, output } from "../../bench/support/runtimes.ts";
import { decodeEvents } from "../../server/sse/decode.ts";
import { type Child, spawnChild } from "../support/spawn_child.ts";

/** The programs, below the repository's root, and the runtimes they are for. */
const PROGRAMS: readonly (readonly [path: string, ...runtimes: ("node" | "bun")[]])[] = [
  ["examples/embedded_in_node_http.ts", "node", "bun"],
  ["examples/embedded_in_express.ts", "node", "bun"],
  ["examples/embedded_in_bun_serve.ts", "bun"],
  ["tests/e2e/support/hono_program.ts", "node", "bun"],
];

const ROOT = new URL("../../", import.meta.url);

/** Node and Bun know no `npm:` specifiers. */
const NPM = /"npm:([a-z]+)@([\d.]+)"/g;

/** Installs what a program imports from npm, once, in the user's cache folder; its `node_modules`' folder. */
async function installFor(source: string): Promise<string> {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "."}/.cache`;
  const wanted = Array.from(source.matchAll(NPM), ([, name, version]) => `${name}@${version}`);
  const folder = `${home}/sluice-embedding/${wanted.join("+") || "none"}`;
  await Deno.mkdir(folder, { recursive: true });
  const mark = `${folder}/installed`;
  if (wanted.length === 0 || await Deno.stat(mark).catch(() => null) !== null) return folder;
  await Deno.writeTextFile(`${folder}/package.json`, '{"private":true,"type":"module"}');
  await output("npm", ["install", "--no-audit", "--no-fund", ...wanted], folder);
  await Deno.writeTextFile(mark, "");
  return folder;
}

/** The program as its runtime loads it: where packages are found, with the library's files where they are. */
async function prepare(path: string): Promise<string> {
  const source = await Deno.readTextFile(new URL(path, ROOT));
  const folder = await installFor(source);
  const text = source.replaceAll(NPM, '"$1"')
    .replaceAll(/"(\.\.\/)+mod\.ts"/g, JSON.stringify(new URL("mod.ts", ROOT).href));
  const program = `${folder}/${path.replaceAll("/", "__")}`;
  await Deno.writeTextFile(program, text);
  return program;
}

/** An upstream that sends its second half when it is told to. */
function startUpstream(mayGoOn: Promise<void>) {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const text = await request.text();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const send = async () => {
      await writer.write(new TextEncoder().encode(`${request.method} `));
      await mayGoOn;
      await writer.write(new TextEncoder().encode(text));
      await writer.close();
    };
    send().catch(() => {}); // a client that left is none of the upstream's concern
    return new Response(readable);
  });
  return { url: `http://127.0.0.1:${server.addr.port}`, stop: () => server.shutdown() };
}

/** A plain answer; a topic heard live, and again from where a reader left it; a body through the gateway as it comes. */
async function talk(url: string, goOn: () => void): Promise<void> {
  assertEquals(await (await fetch(url)).text(), "embedded\n");

  const topic = `${url}/events/t`;
  const publish = async (body: string) => await (await fetch(topic, { method: "POST", body })).text();
  const live = await fetch(topic);
  const id = await publish("first");
  for await (const { data, lastEventId } of decodeEvents(live.body!)) {
    assertEquals([data, lastEventId], ["first", id]);
    break;
  }
  await publish("second");
  const again = await fetch(topic, { headers: { "last-event-id": id } });
  for await (const { data } of decodeEvents(again.body!)) {
    assertEquals(data, "second");
    break;
  }

  const proxied = await fetch(`${url}/v1/a`, { method: "PUT", body: "content" });
  let text = "";
  for await (const piece of proxied.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text === "PUT ") goOn();
  }
  assertEquals(text, "PUT content");
}

for (const [path, ...runtimes] of PROGRAMS) {
  for (const runtime of runtimes) {
    Deno.test(`${path} serves on ${runtime}`, async () => {
      const programs = await installRuntimes();
      const mayGoOn = Promise.withResolvers<void>();
      const upstream = startUpstream(mayGoOn.promise);
      const child: Child = spawnChild(programs[runtime], [await prepare(path), "0", upstream.url]);
      try {
        const [, url = ""] = await child.stdout.match(/listening on (\S+)\n/);
        await talk(url, mayGoOn.resolve);
        if (path.includes("express")) {
          assertEquals(await (await fetch(`${url}/express`)).text(), "Express's own\n");
        }
      } catch (cause) {
        throw new Error(`${path} on ${runtime} said: ${child.stderr.text}`, { cause });
      } finally {
        mayGoOn.resolve();
        await child.stop("SIGKILL");
        await upstream.stop();
      }
    });
  }
}

for (const runtime of ["node", "bun"] as const) {
  Deno.test(`the ready-made server serves on ${runtime}: a chat, a job on its threads, and an end in order`, async () => {
    const programs = await installRuntimes();
    const main = new URL("server/main.ts", ROOT).pathname;
    await using child = spawnChild(programs[runtime], [main, "--port", "0"]);
    const [, url = ""] = await child.stdout.match(/listening on (\S+)\n/);
    const body = { model: "sluice-demo", stream: true, messages: [{ role: "user", content: "hi" }] };
    const chat = await fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body) });
    assertStringIncludes(await chat.text(), "data: [DONE]");
    const job = JSON.stringify({ runner: "primes", input: { below: 1_000 } });
    const { id } = await (await fetch(`${url}/jobs`, { method: "POST", body: job })).json();
    const story = await (await fetch(`${url}/jobs/${id}/events`)).text();
    assertStringIncludes(story, '"result":{"count":168,"largest":997}');
    assertEquals((await child.stop("SIGTERM")).code, 0);
    assertMatch(child.stdout.text, /^stopped: \d+ finished, \d+ streams ended, 0 cut$/m);
  });

  Deno.test(`the ready-made server says on ${runtime} what it does not take`, async () => {
    const programs = await installRuntimes();
    const main = new URL("server/main.ts", ROOT).pathname;
    await using child = spawnChild(programs[runtime], [main, "--port", "many"]);
    assertEquals((await child.status).code, 2);
    await child.stderr.ended;
    assertStringIncludes(child.stderr.text, '--port cannot be "many"');
  });
}

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { AddressInUseError, UnsupportedError } from "../../io/errors.ts";
import { openSelector } from "../../io/open_selector.ts";
import { Reply } from "../../server/reply.ts";
import { serve, type ServeOptions } from "../../server/serve.ts";
import { RawClient } from "../support/raw_client.ts";
import { spawnChild } from "../support/spawn_child.ts";

const SERVE_URL = new URL("../../server/serve.ts", import.meta.url).href;

/** The part of both servers' results that both have. */
interface AnyServer {
  readonly addr: { readonly transport: string; readonly port?: number; readonly path?: string };
  readonly finished: Promise<void>;
  shutdown(): Promise<unknown>;
  ref(): void;
  unref(): void;
  [Symbol.asyncDispose](): PromiseLike<void>;
}

// deno-lint-ignore no-explicit-any -- both servers are called in every form, right and wrong
type AnyServe = (...args: any[]) => AnyServer;

const SERVERS: readonly [string, AnyServe][] = [
  ["Deno.serve", Deno.serve as unknown as AnyServe],
  ["serve", serve as unknown as AnyServe],
];

const quiet = { onListen() {} };
const hello = () => new Response("hello");
const urlOf = (server: AnyServer) => `http://127.0.0.1:${server.addr.port}`;

async function textOf(server: AnyServer, path = "/", init?: RequestInit): Promise<string> {
  return await (await fetch(urlOf(server) + path, init)).text();
}

/** The same on both servers: a drop-in must pass what the original passes. */
function onBoth(name: string, run: (serve: AnyServe) => Promise<void> | void): void {
  for (const [server, serve] of SERVERS) Deno.test(`${server}: ${name}`, async () => await run(serve));
}

onBoth("options and a handler, or a handler among the options", async (serve) => {
  for (
    const make of [
      () => serve({ port: 0, ...quiet }, hello),
      () => serve({ port: 0, ...quiet, handler: hello }),
    ]
  ) {
    const server = make();
    assertEquals(await textOf(server), "hello");
    await server.shutdown();
    await server.finished;
  }
});

onBoth("a missing handler is a TypeError from the call", (serve) => {
  assertThrows(() => serve({ port: 0 }), TypeError);
  assertThrows(() => serve(), TypeError);
  assertThrows(() => serve(null), TypeError);
});

onBoth("addr is known at once, and onListen was called with it before the call returned", async (serve) => {
  let told: unknown = null;
  await using server = serve(
    { port: 0, hostname: "127.0.0.1", onListen: (addr: unknown) => told = addr },
    hello,
  );
  assertEquals({ ...server.addr }, { transport: "tcp", hostname: "127.0.0.1", port: server.addr.port! });
  assert(server.addr.port! > 0);
  assertEquals({ ...(told as object) }, { ...server.addr });
});

onBoth("hostname localhost is 127.0.0.1, the default is 0.0.0.0", async (serve) => {
  await using local = serve({ port: 0, hostname: "localhost", ...quiet }, hello);
  assertEquals((local.addr as unknown as { hostname: string }).hostname, "127.0.0.1");
  await using any = serve({ port: 0, ...quiet }, hello);
  assertEquals((any.addr as unknown as { hostname: string }).hostname, "0.0.0.0");
});

onBoth("a taken port and a bad one are thrown from the call", async (serve) => {
  await using server = serve({ port: 0, ...quiet }, hello);
  assertThrows(() => serve({ port: server.addr.port, ...quiet }, hello), Error, "in use");
  assertThrows(() => serve({ port: 99_999, ...quiet }, hello), RangeError);
  assertThrows(() => serve({ port: -1, ...quiet }, hello), RangeError);
  assertThrows(() => serve({ port: "80a", ...quiet }, hello), TypeError);
});

onBoth("the handler gets method, URL, headers, body and the client's address", async (serve) => {
  await using server = serve(
    { port: 0, ...quiet },
    async (request: Request, info: { remoteAddr: Deno.NetAddr }) =>
      Response.json({
        method: request.method,
        url: request.url,
        header: request.headers.get("x-test"),
        body: await request.text(),
        transport: info.remoteAddr.transport,
        hostname: info.remoteAddr.hostname,
      }),
  );
  const got = JSON.parse(
    await textOf(server, "/a/b?c=d", { method: "PUT", body: "ping", headers: { "X-Test": "yes" } }),
  );
  assertEquals(got, {
    method: "PUT",
    url: `${urlOf(server)}/a/b?c=d`,
    header: "yes",
    body: "ping",
    transport: "tcp",
    hostname: "127.0.0.1",
  });
});

onBoth("a handler that throws is answered 500, and what onError returns is sent", async (serve) => {
  const seen: unknown[] = [];
  await using server = serve({
    port: 0,
    ...quiet,
    onError: (error: unknown) => {
      seen.push(error);
      return new Response("mine", { status: 501 });
    },
  }, (request: Request) => {
    if (request.url.endsWith("/reject")) return Promise.reject(new Error("rejected"));
    if (request.url.endsWith("/nothing")) return undefined;
    throw new Error("thrown");
  });
  for (const path of ["/throw", "/reject", "/nothing"]) {
    const response = await fetch(urlOf(server) + path);
    assertEquals([response.status, await response.text()], [501, "mine"]);
  }
  assertEquals(seen.map((error) => (error as Error).name), ["Error", "Error", "TypeError"]);
});

onBoth("HEAD on a GET handler has the fields and no body", async (serve) => {
  await using server = serve({ port: 0, ...quiet }, hello);
  const response = await fetch(urlOf(server), { method: "HEAD" });
  assertEquals([response.headers.get("content-length"), await response.text()], ["5", ""]);
});

onBoth("a request's stream can be the response's", async (serve) => {
  await using server = serve({ port: 0, ...quiet }, (request: Request) => new Response(request.body));
  const body = "0123456789".repeat(50_000);
  assertEquals(await textOf(server, "/", { method: "POST", body }), body);
});

onBoth("a stream arrives chunk by chunk, and is cancelled when the client leaves", async (serve) => {
  const cancelled = Promise.withResolvers<void>();
  const first = new TextEncoder().encode("first");
  await using server = serve({ port: 0, ...quiet }, () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(first),
        cancel: () => cancelled.resolve(),
      }),
    ));
  const abort = new AbortController();
  const response = await fetch(urlOf(server), { signal: abort.signal });
  const { value } = await response.body!.getReader().read();
  assertEquals(value, first);
  abort.abort();
  await cancelled.promise;
});

onBoth("set-cookie stays apart, status and status text are sent", async (serve) => {
  await using server = serve({ port: 0, ...quiet }, () =>
    new Response(null, {
      status: 299,
      statusText: "Fine So Far",
      headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]],
    }));
  const response = await fetch(urlOf(server));
  assertEquals([response.status, response.headers.getSetCookie()], [299, ["a=1", "b=2"]]);
  await response.body?.cancel();
});

onBoth("an aborted signal stops the server and resolves finished", async (serve) => {
  const abort = new AbortController();
  const server = serve({ port: 0, signal: abort.signal, ...quiet }, hello);
  assertEquals(await textOf(server), "hello");
  abort.abort();
  await server.finished;
  await assertRejects(() => fetch(urlOf(server)));
});

onBoth("shutdown answers what is in flight first", async (serve) => {
  const begun = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  const server = serve({ port: 0, ...quiet }, () => {
    begun.resolve();
    return answer.promise;
  });
  const text = textOf(server);
  await begun.promise;
  const stopped = server.shutdown();
  answer.resolve(new Response("last"));
  assertEquals(await text, "last");
  await stopped;
  await server.finished;
});

onBoth("await using stops the server", async (serve) => {
  let finished: Promise<void>;
  {
    await using server = serve({ port: 0, ...quiet }, hello);
    finished = server.finished;
    assertEquals(await textOf(server), "hello");
  }
  await finished;
});

onBoth("a Unix socket serves, and its file is gone afterwards", async (serve) => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/s.sock`;
  try {
    const server = serve(
      { path, ...quiet },
      (request: Request, info: { remoteAddr: { transport: string } }) =>
        new Response(`${new URL(request.url).pathname} ${info.remoteAddr.transport}`),
    );
    assertEquals({ ...server.addr }, { transport: "unix", path });
    using client = await RawClient.connect({ path });
    await client.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assertEquals((await client.readResponse()).body, "/x unix");
    await client.expectClosed();
    await server.shutdown();
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

for (const [name, expression] of [["Deno.serve", "Deno.serve"], ["serve", "(await import(SERVE)).serve"]]) {
  const child = (rest: string, handler = 'new Response("x")') =>
    spawnChild("deno", [
      "eval",
      `const SERVE = ${JSON.stringify(SERVE_URL)}; const serve = ${expression};
       const server = serve({ port: 0, onListen() {} }, () => ${handler});
       ${rest}`,
    ]);

  Deno.test(`${name}: without onError the answer is a plain 500, and the error is printed`, async () => {
    await using process = child(
      "const r = await fetch(`http://127.0.0.1:${server.addr.port}`); console.log(r.status, await r.text(), '.');",
      "{ throw new Error('secret') }",
    );
    await process.stdout.match(/^500 Internal Server Error \.\n/);
    await process.stderr.match(/error: secret/i); // Bun prints it in lower case.
  });

  Deno.test(`${name}: a process ends by itself when its server is unref'd`, async () => {
    await using process = child("server.unref(); console.log('unref');");
    assertEquals((await process.status).code, 0);
    await process.stdout.match(/unref/);
  });

  Deno.test(`${name}: a process lives while its server is ref'd again`, async () => {
    await using process = child(
      "server.unref(); server.ref(); const r = await fetch(`http://127.0.0.1:${server.addr.port}`); console.log(await r.text(), server.addr.port);",
    );
    const port = Number((await process.stdout.match(/x (\d+)\n/))[1]);
    assertEquals(await (await fetch(`http://127.0.0.1:${port}`)).text(), "x");
  });
}

// ---- what only serve has --------------------------------------------------------------------------------------------

Deno.test("a selector that is given is used, and left open", async () => {
  await using selector = openSelector();
  {
    await using server = serve({ port: 0, selector }, hello);
    await using second = serve({ port: 0, selector }, () => new Reply("second"));
    assertEquals([await textOf(server), await textOf(second)], ["hello", "second"]);
  }
  await using third = serve({ port: 0, selector }, hello);
  assertEquals(await textOf(third), "hello");
});

Deno.test("a server that cannot listen closes the selector it opened, and names the address", async () => {
  await using server = serve({ port: 0 }, hello);
  const error = assertThrows(() => serve({ port: server.addr.port }, hello), AddressInUseError);
  assertStringIncludes(error.message, `${server.addr.port}`);
});

Deno.test("a signal that is aborted already stops the server at once", async () => {
  const server = serve({ port: 0, signal: AbortSignal.abort() }, hello);
  await server.finished;
});

Deno.test("options that ask for TLS are refused, not ignored", () => {
  assertThrows(
    () => serve({ port: 0, cert: "", key: "" } as ServeOptions, hello),
    UnsupportedError,
    "Cannot serve HTTPS",
  );
});

Deno.test("wrong limits, deadlines and proxies are refused from the call", () => {
  assertThrows(() => serve({ port: 0, limits: { headersMax: 0 } }, hello), RangeError, "headersMax");
  assertThrows(() => serve({ port: 0, deadlines: { headMs: -1 } }, hello), RangeError, "headMs");
  assertThrows(
    () => serve({ port: 0, proxyProtocol: { trusted: ["nonsense"] } }, hello),
    TypeError,
    "nonsense",
  );
});

Deno.test("onError that throws, rejects, or returns no response still gets the client a 500", async () => {
  const printed: unknown[] = [];
  const { error } = console;
  console.error = (...args: unknown[]) => printed.push(...args);
  try {
    const broken = [
      () => {
        throw new Error("in onError");
      },
      () => Promise.reject(new Error("in onError")),
      () => 7 as unknown as Response,
      () => Promise.resolve(7 as unknown as Response),
    ];
    for (const onError of broken) {
      await using server = serve({ port: 0, onError }, () => {
        throw new Error("boo");
      });
      const response = await fetch(urlOf(server));
      assertEquals([response.status, await response.text()], [500, "Internal Server Error"]);
    }
  } finally {
    console.error = error;
  }
  assertEquals(printed.length, 4);
  for (const failure of printed) assertInstanceOf(failure, Error);
});

Deno.test("stats count what happens, live", async () => {
  await using server = serve({ port: 0, onError: () => new Reply("", { status: 500 }) }, (request) => {
    if (request.url.endsWith("/fail")) throw new Error("boo");
    return new Reply("hello", { status: request.url.endsWith("/missing") ? 404 : 200 });
  });
  const { stats } = server;
  using client = await RawClient.connect({ port: server.addr.port });
  for (const path of ["/", "/missing", "/fail"]) {
    await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.readResponse();
  }
  assertEquals([stats.connectionsOpen, stats.connectionsTotal, stats.requestsTotal, stats.requestsActive], [
    1,
    1,
    3,
    0,
  ]);
  assertEquals([200, 404, 500].map((status) => stats.responsesByStatus[status]), [1, 1, 1]);
  assertEquals([stats.handlerErrors, stats.disconnects], [1, 0]);
  assert(stats.bytesReceived > 0 && stats.bytesSent > 0);
});

Deno.test("a client that goes on sending after its last request can still read the answer", async () => {
  const body = "x".repeat(100_000);
  await using server = serve({ port: 0 }, () => new Reply(body));
  using client = await RawClient.connect({ port: server.addr.port });
  await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  while (server.stats.bytesSent < body.length) await new Promise<void>((resolve) => setImmediate(resolve));
  for (let i = 0; i < 10; i++) await client.sendPieces(["more ", "and more"]);
  assertEquals((await client.readResponse()).body, body);
  await client.expectClosed();
});

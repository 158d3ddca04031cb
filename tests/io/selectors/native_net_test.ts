/** The native selector on real sockets against raw peers: what only the system can show. */

import { connect, createServer, type Server } from "node:net";
import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectionRefusedError, ConnectionResetError, DeadlineExceededError } from "../../../io/errors.ts";
import { openNativeDeno } from "../../../io/selectors/native_deno.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import { assertSameBytes, noise, target } from "../../contracts/selector/harness.ts";
import { Recorder, type RecorderHooks } from "../../contracts/selector/recorder.ts";

const encoder = new TextEncoder();
const anyPort = { hostname: "127.0.0.1", port: 0 } as const;

/** A server of ours and a raw client of Deno's. */
async function withRawClient(
  hooks: RecorderHooks,
  test: (conn: Deno.TcpConn, server: Recorder) => Promise<void>,
) {
  await using selector = openNativeDeno();
  const server = new Recorder(hooks);
  const { port } = selector.listen(anyPort, () => server).addr as TcpAddr;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await server.until(() => server.count("opened") === 1);
  await test(conn, server);
}

/** Reads to the end. */
async function readAll(conn: Deno.Conn): Promise<Uint8Array> {
  return new Uint8Array(await new Response(conn.readable).arrayBuffer());
}

Deno.test("a raw peer sees abort as a reset, also after closeWrite and with bytes pending", async () => {
  const endings: NonNullable<RecorderHooks["opened"]>[] = [
    (transport) => transport.abort(),
    (transport) => {
      transport.closeWrite();
      queueMicrotask(() => transport.abort());
    },
    (transport) => {
      transport.write(new Uint8Array(32 << 20));
      setTimeout(() => transport.abort(), 0);
    },
  ];
  for (const end of endings) {
    await withRawClient(
      { received: (_bytes, transport) => end(transport, new Recorder()) },
      async (conn, server) => {
        await conn.write(encoder.encode("go"));
        await assertRejects(async () => {
          const buffer = new Uint8Array(65_536);
          while (await conn.read(buffer) !== null);
        }, Deno.errors.ConnectionReset);
        await server.untilClosed();
      },
    );
  }
});

Deno.test("a raw peer sees an orderly close as an end, after all bytes", async () => {
  const bytes = noise(5 << 20, 1);
  await withRawClient({
    opened: (transport) => {
      transport.write(bytes);
      transport.close();
    },
  }, async (conn, server) => {
    assertSameBytes(await readAll(conn), bytes);
    assertEquals(await server.untilClosed(), null);
  });
});

Deno.test("a raw peer that half-closes still gets the whole answer", async () => {
  const bytes = noise(3 << 20, 2);
  await withRawClient({
    ended: (transport) => {
      transport.write(bytes);
      transport.closeWrite();
      return true;
    },
  }, async (conn, server) => {
    await conn.write(encoder.encode("question"));
    await conn.closeWrite();
    assertSameBytes(await readAll(conn), bytes);
    assertEquals([server.text, await server.untilClosed()], ["question", null]);
  });
});

Deno.test("a raw peer that resets is seen as a reset, at once by who reads", async () => {
  await using selector = openNativeDeno();
  const server = new Recorder({ opened: (transport) => transport.writeText("hello") });
  const { port } = selector.listen(anyPort, () => server).addr as TcpAddr;
  const raw = connect({ host: "127.0.0.1", port });
  await new Promise((resolve) => raw.once("data", resolve));
  raw.resetAndDestroy();
  assertInstanceOf(await server.untilClosed(), ConnectionResetError);
  assertEquals(server.calls, ["opened", "closed"]);
});

Deno.test("received bytes lie in one buffer for all connections", async () => {
  await using selector = openNativeDeno();
  const buffers = new Set<ArrayBufferLike>();
  const servers: Recorder[] = [];
  const listener = selector.listen(anyPort, () => {
    const server = new Recorder({ received: (bytes) => buffers.add(bytes.buffer) });
    servers.push(server);
    return server;
  });
  for (let i = 0; i < 5; i++) {
    const transport = await selector.connect(target(listener.addr), () => new Recorder());
    transport.writeText(`hello ${i}`);
  }
  await Promise.all(Array.from({ length: 5 }, (_, i) => servers[i]!.untilText(`hello ${i}`)));
  assertEquals(buffers.size, 1);
});

Deno.test("a Unix socket carries bytes both ways, half-closes, and has its path as address", async () => {
  const path = `${await Deno.makeTempDir()}/sluice.sock`;
  await using selector = openNativeDeno();
  const server = new Recorder({ received: (bytes, transport) => transport.write(bytes), ended: () => true });
  const listener = selector.listen({ transport: "unix", path }, () => server);
  assertEquals(listener.addr, { transport: "unix", path });
  const bytes = noise(2 << 20, 3);
  const client = new Recorder();
  await selector.connect(target(listener.addr), () => client);
  assertEquals(client.transport.remoteAddr, { transport: "unix", path });
  assertEquals(client.transport.localAddr, { transport: "unix", path: "" });
  client.transport.write(bytes);
  client.transport.closeWrite();
  await client.until(() => client.length === bytes.length);
  assertSameBytes(client.bytes, bytes);
  assertEquals(server.transport.localAddr, { transport: "unix", path });
  server.transport.abort(new Error("enough"));
  await Promise.all([client.untilClosed(), server.untilClosed()]);
});

Deno.test("where no Unix socket is, connecting is refused", async () => {
  const path = `${await Deno.makeTempDir()}/nobody.sock`;
  await using selector = openNativeDeno();
  await assertRejects(
    () => selector.connect({ transport: "unix", path }, () => new Recorder()),
    ConnectionRefusedError,
    path,
  );
});

Deno.test("localhost is resolved by the runtime, whichever address it means", async () => {
  await using selector = openNativeDeno();
  const echo = () => new Recorder({ received: (bytes, transport) => transport.write(bytes) });
  for (const hostname of ["127.0.0.1", "::1"]) {
    const { port } = selector.listen({ hostname, port: 0 }, echo).addr as TcpAddr;
    const client = new Recorder();
    const reached = await selector.connect({ hostname: "localhost", port }, () => client).catch((error) =>
      error
    );
    if (hostname === "::1" && reached instanceof ConnectionRefusedError) continue; // It is IPv4 only here.
    client.transport.writeText("either way");
    await client.untilText("either way");
    assertEquals(client.transport.remoteAddr, { transport: "tcp", hostname, port });
  }
});

Deno.test("connecting to a host that does not answer ends at the deadline, and leaves nothing behind", async () => {
  // Nobody accepts, and a queue of 1 holds two: the system answers no further SYN.
  using full = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = full.addr;
  using _first = await Deno.connect({ hostname: "127.0.0.1", port });
  using _second = await Deno.connect({ hostname: "127.0.0.1", port });
  await using selector = openNativeDeno();
  const client = new Recorder();
  const error = await assertRejects(
    () => selector.connect({ hostname: "127.0.0.1", port, timeoutMs: 20 }, () => client),
    DeadlineExceededError,
    `Cannot connect to 127.0.0.1:${port}: not done within 20 ms`,
  );
  assertEquals([error.timeoutMs, client.calls], [20, []]);
});

/** Says its port, then echoes. Deno sets up its signals lazily, with descriptors that it insists on: so that comes first. */
const ECHO_UNTIL_CLOSED = `
  Deno.addSignalListener("SIGUSR2", () => {});
  const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => {
    let transport;
    return { ...quiet, opened: (it) => transport = it, received: (bytes) => transport.write(bytes) };
  });
  console.log(listener.addr.port);`;

/** Arguments that run a program which has the selector as `selector`, and a protocol as `quiet`. */
async function program(body: string, ...flags: string[]): Promise<string[]> {
  const module = new URL("../../../io/open_selector.ts", import.meta.url).href;
  const text = `import { openSelector } from ${JSON.stringify(module)};
    const selector = openSelector();
    const quiet = { opened() {}, received() {}, ended() {}, pauseWriting() {}, resumeWriting() {}, closed() {} };
    ${body}`;
  const path = await Deno.makeTempFile({ suffix: ".js" });
  await Deno.writeTextFile(path, text);
  return [
    "run",
    "--no-prompt",
    "--quiet",
    "--no-check",
    ...(flags.length > 0 ? flags : ["--allow-all"]),
    path,
  ];
}

/** Runs a program to its end; returns what it printed. */
async function run(body: string, ...flags: string[]): Promise<string> {
  const args = await program(body, ...flags);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" } })
    .output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("without the net permission, listening and connecting are denied, and the flag is named", async () => {
  const text = await run(
    `try { selector.listen({ hostname: "127.0.0.1", port: 0 }, () => quiet); } catch (e) { console.log(e.code, e.message); }
     await selector.connect({ hostname: "127.0.0.1", port: 9 }, () => quiet).catch((e) => console.log(e.code, e.message));
     await selector.close();`,
    "--deny-net",
  );
  const [listening, connecting] = text.trim().split("\n");
  for (
    const [line, doing] of [[listening, "listen on 127.0.0.1:0"], [
      connecting,
      "connect to 127.0.0.1:9",
    ]] as const
  ) {
    assertStringIncludes(line ?? "", `SLUICE_ACCESS_DENIED Cannot ${doing}`);
    assertStringIncludes(line ?? "", "--allow-net");
  }
});

Deno.test("a listener that was let go of does not keep the process, and closed things do not either", async () => {
  const text = await run(
    `const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => quiet);
     const transport = await selector.connect(listener.addr, () => quiet);
     transport.close();
     listener.unref();
     console.log("end of program");`,
    "--allow-net",
  );
  assertEquals(text, "end of program\n");
});

Deno.test("a process that ran out of descriptors accepts again when it has some", async () => {
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'ulimit -n 64; exec timeout 30 "$@"',
      "sh",
      Deno.execPath(),
      ...await program(ECHO_UNTIL_CLOSED),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    const port = Number((await lines.read()).value);
    const conns: Deno.TcpConn[] = [];
    for (let i = 0; i < 100; i++) conns.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    const answered = (conn: Deno.TcpConn) =>
      conn.write(encoder.encode("x")).then(() => conn.read(new Uint8Array(1)));
    assertEquals(await answered(conns[0]!), 1, "the first ones are served");
    const last = answered(conns[99]!);
    for (const conn of conns.slice(0, 99)) conn.close();
    assertEquals(await last, 1, "the last one had to wait for a descriptor");
    conns[99]!.close();
  } finally {
    child.kill("SIGTERM"); // `timeout` passes it on
    await lines.cancel();
    await child.status;
  }
});

Deno.test("a raw server of node:net and a client of ours close each other in order", async () => {
  const raw: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("data", (data: Uint8Array) => socket.write(data));
    socket.on("end", () => socket.end("bye"));
  });
  await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", () => resolve()));
  const { port } = raw.address() as { port: number };
  {
    await using selector = openNativeDeno();
    const client = new Recorder();
    await selector.connect({ hostname: "127.0.0.1", port }, () => client);
    client.transport.writeText("hello ");
    client.transport.closeWrite();
    assertEquals(await client.untilClosed(), null);
    assertEquals([client.text, client.calls.at(-2)], ["hello bye", "ended"]);
    assert(client.transport.isClosing);
  }
  await new Promise((resolve) => raw.close(resolve));
});

/** The selector contract on the system's sockets: what a peer sees that is none of ours, Unix sockets, a shared port. */

import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  AccessDeniedError,
  AddressInUseError,
  AddressNotAvailableError,
  ConnectionAbortedError,
  ConnectionRefusedError,
  ConnectionResetError,
  SluiceError,
} from "../../../io/errors.ts";
import type { Selector, TcpAddr, Transport } from "../../../io/selector.ts";
import { RawClient } from "../../support/raw_client.ts";
import {
  assertGrammar,
  assertSameBytes,
  connectPair,
  noise,
  settle,
  type Subject,
  target,
} from "./harness.ts";
import { Recorder, type RecorderHooks } from "./recorder.ts";

const anyPort = { hostname: "127.0.0.1", port: 0 } as const;

/** More than all buffers of a connection together ever hold, the kernel's at their largest included. */
const MORE_THAN_BUFFERS = 64 << 20;

/** Ways to abort, each in a state of its own. */
const ABORTS: Readonly<Record<string, (transport: Transport) => void>> = {
  "at once": (transport) => transport.abort(),
  "with bytes that wait": (transport) => {
    transport.write(new Uint8Array(16 << 20));
    setTimeout(() => transport.abort(), 0);
  },
  "while reading is paused": (transport) => {
    transport.pauseReading();
    setTimeout(() => transport.abort(), 0);
  },
};

export function socketsContract(subject: Subject): void {
  if (!subject.abilities.hasSockets) return;
  rawPeerContract(subject);
  unixContract(subject);
  sharedPortContract(subject);
}

/** A listener of the selector's, and a raw client of the runtime's own sockets. */
async function connectRaw(selector: Selector, hooks: RecorderHooks): Promise<[RawClient, Recorder]> {
  const server = new Recorder(hooks);
  const { port } = selector.listen(anyPort, () => server).addr as TcpAddr;
  const raw = await RawClient.connect({ port });
  await server.until(() => server.count("opened") === 1);
  return [raw, server];
}

function rawPeerContract({ test }: Subject): void {
  for (const [when, abort] of Object.entries(ABORTS)) {
    test(`a raw peer sees abort as a reset: ${when}`, async (selector) => {
      const [raw, server] = await connectRaw(selector, { received: (_bytes, transport) => abort(transport) });
      using _ = raw;
      await raw.send("go");
      assertInstanceOf(await server.untilClosed(), ConnectionAbortedError);
      await raw.expectReset();
      assertEquals(server.count("closed"), 1);
      assertGrammar(server);
    });
  }

  test("a raw peer sees close as an end, after all that was written while it did not read", async (selector) => {
    const bytes = noise(6 << 20, 21).map((byte) => byte & 0x7f); // Raw clients give text: one ASCII character a byte.
    const [raw, server] = await connectRaw(selector, {
      opened: (transport) => {
        for (let at = 0; at < bytes.length; at += 100_000) {
          transport.write(bytes.subarray(at, at + 100_000));
        }
        transport.close();
      },
    });
    using _ = raw;
    assertSameBytes(new TextEncoder().encode(await raw.readToEnd()), bytes);
    assertEquals(await server.untilClosed(), null);
  });

  test("a raw peer that half-closes gets the whole answer, and an end", async (selector) => {
    const [raw, server] = await connectRaw(selector, {
      ended: (transport) => {
        transport.writeText("x".repeat(1 << 20));
        transport.closeWrite();
        return true;
      },
    });
    using _ = raw;
    await raw.send("question");
    await raw.closeWrite();
    assertEquals((await raw.readToEnd()).length, 1 << 20);
    assertEquals([server.text, await server.untilClosed(), server.count("closed")], ["question", null, 1]);
  });

  test("a raw peer cannot send on to who has paused reading: the kernel takes no more", async (selector) => {
    const [raw, server] = await connectRaw(selector, { opened: (transport) => transport.pauseReading() });
    using _ = raw;
    let isSent = false;
    const sending = raw.send(new Uint8Array(MORE_THAN_BUFFERS)).then(() => isSent = true, () => {});
    for (let i = 0; i < 50; i++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
    assertEquals([isSent, server.length], [false, 0]);
    server.transport.resumeReading();
    await server.until(() => server.length > 0);
    server.transport.abort();
    await server.untilClosed();
    raw.close();
    await sending;
    assertEquals(isSent, false);
  });
}

function unixContract({ test }: Subject): void {
  test("a Unix socket is one like any other: both ways, half-closed, closed once, known by its path", async (selector) => {
    const path = `${await Deno.makeTempDir()}/one.sock`;
    const bytes = noise(2 << 20, 22);
    const { client, server, listener } = await connectPair(
      selector,
      { received: (some, transport) => transport.write(some), ended: () => true },
      {},
      { transport: "unix", path },
    );
    const addr = { transport: "unix", path } as const;
    assertEquals([listener.addr, client.transport.remoteAddr, server.transport.localAddr], [
      addr,
      addr,
      addr,
    ]);
    client.transport.write(bytes);
    client.transport.closeWrite();
    await client.until(() => client.length === bytes.length);
    assertSameBytes(client.bytes, bytes);
    server.transport.close();
    assertEquals(await Promise.all([client.untilClosed(), server.untilClosed()]), [null, null]);
    for (const side of [client, server]) assertGrammar(side);
  });

  test("on a Unix socket, what was sent by who closed it then is read later, whole, and the end after it", async (selector) => {
    for (const length of [1, 20_000, 100_000]) {
      const path = `${await Deno.makeTempDir()}/closed.sock`;
      const { client, server } = await connectPair(
        selector,
        { opened: (transport) => transport.pauseReading(), ended: () => true },
        {},
        { transport: "unix", path },
      );
      const bytes = noise(length, 24);
      client.transport.write(bytes);
      client.transport.close();
      assertEquals(await client.untilClosed(), null);
      await settle();
      assertEquals(server.calls, ["opened"]);
      server.transport.resumeReading();
      await server.until(() => server.count("ended") === 1 || server.reason !== undefined);
      assertSameBytes(server.bytes, bytes);
      server.transport.close();
      await server.untilClosed();
      assertGrammar(server);
      assertEquals(server.count("ended"), 1, "nobody took the end for a failure");
    }
  });

  test("abort on a Unix socket, which knows no reset, ends it for both", async (selector) => {
    const path = `${await Deno.makeTempDir()}/two.sock`;
    const { client, server } = await connectPair(selector, {}, {}, { transport: "unix", path });
    client.transport.abort();
    assertInstanceOf(await client.untilClosed(), ConnectionAbortedError);
    const reason = await server.untilClosed();
    assert(reason === null || reason instanceof ConnectionResetError, `${reason}`);
    assertEquals([client.count("closed"), server.count("closed")], [1, 1]);
  });

  test("a Unix path that exists is in use, one in no folder is refused, one of nobody's refuses", async (selector) => {
    const folder = await Deno.makeTempDir();
    const listen = (path: string) => selector.listen({ transport: "unix", path }, () => new Recorder());
    listen(`${folder}/one.sock`);
    assertThrows(() => listen(`${folder}/one.sock`), AddressInUseError);
    // libuv, and so Node, calls a folder that is not there one that may not be written to (uv_pipe_bind2).
    const refused = assertThrows(() => listen(`${folder}/none/one.sock`), SluiceError);
    assert(refused instanceof AddressNotAvailableError || refused instanceof AccessDeniedError, `${refused}`);
    const nobody = selector.connect(
      { transport: "unix", path: `${folder}/nobody.sock` },
      () => new Recorder(),
    );
    assertInstanceOf(await nobody.catch((error: unknown) => error), ConnectionRefusedError);
  });
}

function sharedPortContract({ test }: Subject): void {
  test("a port is shared by those who all say so, each gets connections, and nobody else may", async (selector) => {
    const seen = [0, 0];
    const listen = (port: number, index: number) =>
      selector.listen(
        { ...anyPort, port, reusePort: true },
        () => new Recorder({ opened: () => seen[index]!++ }),
      );
    const first = listen(0, 0);
    const { port } = first.addr as TcpAddr;
    assertEquals(listen(port, 1).addr, first.addr);
    assertThrows(() => selector.listen({ ...anyPort, port }, () => new Recorder()), AddressInUseError);
    // The system deals them out by a hash of both ends: 100 to one of two has a chance of 2 in 2^100.
    const clients = Array.from({ length: 100 }, () => new Recorder());
    await Promise.all(clients.map((client) => selector.connect(target(first.addr), () => client)));
    while (seen[0]! + seen[1]! < clients.length) await new Promise<void>((resolve) => setTimeout(resolve, 0));
    assert(seen.every((count) => count > 0), `they got ${seen}`);
  });
}

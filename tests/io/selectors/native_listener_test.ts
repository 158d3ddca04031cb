/** The native listener on real sockets; the contract suite has what all listeners share. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AddressInUseError, AddressNotAvailableError, ConnectionResetError } from "../../../io/errors.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import { openNativeDeno } from "../../../io/selectors/native_deno.ts";
import { canListen } from "../../../io/selectors/native_listener.ts";
import { target } from "../../contracts/selector/harness.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

const anyPort = { hostname: "127.0.0.1", port: 0 } as const;

Deno.test("this Deno can bind synchronously", () => {
  assertEquals(canListen(), true);
});

Deno.test("an address that is not this machine's is refused from the call", async () => {
  await using selector = openNativeDeno();
  const error = assertThrows(
    () => selector.listen({ hostname: "192.0.2.1", port: 0 }, () => new Recorder()), // TEST-NET-1, RFC 5737
    AddressNotAvailableError,
  );
  assertEquals(error.address, "192.0.2.1:0");
});

Deno.test("a Unix path that exists is in use, and one in no folder is not available", async () => {
  const folder = await Deno.makeTempDir();
  await using selector = openNativeDeno();
  const path = `${folder}/one.sock`;
  selector.listen({ transport: "unix", path }, () => new Recorder());
  assertThrows(
    () => selector.listen({ transport: "unix", path }, () => new Recorder()),
    AddressInUseError,
    path,
  );
  assertThrows(
    () => selector.listen({ transport: "unix", path: `${folder}/none/one.sock` }, () => new Recorder()),
    AddressNotAvailableError,
  );
});

Deno.test("a socket of somebody else's on the port is an address in use, too", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using selector = openNativeDeno();
  const { port } = other.addr;
  assertThrows(
    () => selector.listen({ hostname: "127.0.0.1", port }, () => new Recorder()),
    AddressInUseError,
  );
});

Deno.test("a port is shared by those who all say so, and by nobody else", async () => {
  await using selector = openNativeDeno();
  const first = selector.listen({ ...anyPort, reusePort: true }, () => new Recorder());
  const { port } = first.addr as TcpAddr;
  const second = selector.listen({ ...anyPort, port, reusePort: true }, () => new Recorder());
  assertEquals(second.addr, first.addr);
  assertThrows(() => selector.listen({ ...anyPort, port }, () => new Recorder()), AddressInUseError);
});

Deno.test("closing does not wait for connections", async () => {
  await using selector = openNativeDeno();
  const server = new Recorder();
  const listener = selector.listen(anyPort, () => server);
  const client = new Recorder();
  await selector.connect(target(listener.addr), () => client);
  await server.until(() => server.count("opened") === 1);
  await listener.close();
  assertEquals([server.calls, listener.stats.open], [["opened"], 1]);
  client.transport.close();
  await server.untilClosed();
  assertEquals(listener.stats.open, 0);
});

Deno.test("a protocol that cannot be made costs its connection, and the program hears of it", async () => {
  const error = new Error("no protocol today");
  const reported: unknown[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", listen);
  try {
    await using selector = openNativeDeno();
    let isFirst = true;
    const server = new Recorder();
    const listener = selector.listen(anyPort, () => {
      if (!isFirst) return server;
      isFirst = false;
      throw error;
    });
    const [refused, served] = [new Recorder(), new Recorder()];
    await selector.connect(target(listener.addr), () => refused);
    await refused.untilClosed();
    await selector.connect(target(listener.addr), () => served);
    await server.until(() => server.count("opened") === 1);
    assertEquals([reported, listener.stats.accepted, listener.stats.open], [[error], 1, 1]);
    assertStrictEquals(reported[0], error);
  } finally {
    removeEventListener("error", listen);
  }
});

Deno.test("connections above the bound are reset on a Unix socket as well as that can be", async () => {
  const path = `${await Deno.makeTempDir()}/bound.sock`;
  await using selector = openNativeDeno();
  const server = new Recorder();
  const listener = selector.listen({ transport: "unix", path, connectionsMax: 1 }, () => server);
  const [first, second] = [new Recorder(), new Recorder()];
  await selector.connect(target(listener.addr), () => first);
  await selector.connect(target(listener.addr), () => second);
  const reason = await second.untilClosed();
  assert(reason === null || reason instanceof ConnectionResetError, `${reason}`);
  assertEquals([listener.stats.refused, first.calls], [1, ["opened"]]);
});

Deno.test("hundreds of connections come and go, and the counts are right in the end", async () => {
  await using selector = openNativeDeno();
  const servers: Recorder[] = [];
  const listener = selector.listen(anyPort, () => {
    const server = new Recorder({ received: (bytes, transport) => transport.write(bytes) });
    servers.push(server);
    return server;
  });
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 40 }, async (_, index) => {
      const client = new Recorder({
        received: (_bytes, transport) => index % 2 ? transport.close() : transport.abort(),
      });
      const transport = await selector.connect(target(listener.addr), () => client);
      transport.writeText("x");
      await client.untilClosed();
    }));
  }
  await Promise.all(servers.map((server) => server.untilClosed()));
  assertEquals(listener.stats, { accepted: 400, refused: 0, open: 0, acceptErrors: 0 });
  assertEquals(servers.filter(({ reason }) => reason instanceof ConnectionResetError).length, 200);
  assertEquals(servers.filter(({ reason }) => reason === null).length, 200);
});

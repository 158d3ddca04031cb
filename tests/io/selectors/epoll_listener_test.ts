/** The listener on epoll where it differs from the native one; the contract suite has what all listeners share. */

import { existsSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  AddressInUseError,
  AddressNotAvailableError,
  ConnectionResetError,
  SluiceError,
} from "../../../io/errors.ts";
import { AF_INET, AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "../../../io/ffi/constants.ts";
import { ECONNABORTED, EINTR, EMFILE } from "../../../io/ffi/errno.ts";
import { SocketAddress } from "../../../io/ffi/layout.ts";
import type { Addr, Selector, TcpAddr } from "../../../io/selector.ts";
import { type EpollSelector, openEpoll } from "../../../io/selectors/epoll.ts";
import { openListening } from "../../../io/selectors/listening_socket.ts";
import { checkListenOptions } from "../../../io/selectors/native_listen_options.ts";
import { target } from "../../contracts/selector/harness.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";
import { type Breakage, breakingLoader } from "../ffi/broken_libc.ts";

/** No room to wait for one more descriptor (epoll_ctl(2)), and an address in use, by Linux's numbers. */
const [ENOSPC, EADDRINUSE] = [28, 98];

const anyPort = { hostname: "127.0.0.1", port: 0 } as const;

Deno.test("epoll: an address that is not this machine's is refused from the call", async () => {
  await using selector = openEpoll();
  const error = assertThrows(
    () => selector.listen({ hostname: "192.0.2.1", port: 0 }, () => new Recorder()), // TEST-NET-1, RFC 5737
    AddressNotAvailableError,
  );
  assertEquals(error.address, "192.0.2.1:0");
});

Deno.test("epoll: a Unix path is made, is in use then, and is gone after the close", async () => {
  const folder = await Deno.makeTempDir();
  await using selector = openEpoll();
  const path = `${folder}/one.sock`;
  const listener = selector.listen({ transport: "unix", path }, () => new Recorder());
  assertThrows(
    () => selector.listen({ transport: "unix", path }, () => new Recorder()),
    AddressInUseError,
    path,
  );
  const none = `${folder}/none/one.sock`;
  for (const wrong of [none, "p".repeat(200)]) {
    assertThrows(
      () => selector.listen({ transport: "unix", path: wrong }, () => new Recorder()),
      AddressNotAvailableError,
    );
  }
  const client = new Recorder();
  const transport = await selector.connect({ transport: "unix", path }, () => client);
  assertEquals([transport.localAddr, transport.remoteAddr], [{ transport: "unix", path: "" }, listener.addr]);
  await listener.close();
  await listener.close();
  selector.listen({ transport: "unix", path }, () => new Recorder());
});

Deno.test("epoll: a port is shared by those who all say so, and by nobody else", async () => {
  await using selector = openEpoll();
  const first = selector.listen({ ...anyPort, reusePort: true }, () => new Recorder());
  const { port } = first.addr as TcpAddr;
  const second = selector.listen({ ...anyPort, port, reusePort: true }, () => new Recorder());
  assertEquals(second.addr, first.addr);
  assertThrows(() => selector.listen({ ...anyPort, port }, () => new Recorder()), AddressInUseError);
});

Deno.test("epoll: on every address, a connection knows which one it came to", async () => {
  await using selector = openEpoll();
  for (const hostname of ["0.0.0.0", "::"]) {
    const server = new Recorder();
    const listener = selector.listen({ hostname, port: 0 }, () => server);
    const { port } = listener.addr as TcpAddr;
    const client = new Recorder();
    const transport = await selector.connect({ hostname: "127.0.0.1", port }, () => client);
    await server.until(() => server.count("opened") === 1);
    const prefix = hostname === "::" ? "::ffff:" : "";
    assertEquals(server.transport.localAddr, { transport: "tcp", hostname: `${prefix}127.0.0.1`, port });
    const own = transport.localAddr as TcpAddr;
    assertEquals(server.transport.remoteAddr, { ...own, hostname: `${prefix}127.0.0.1` });
  }
});

Deno.test("epoll: a socket that listens already is taken over, one that does not is refused", async () => {
  await using selector = openEpoll();
  const { call } = selector.libc;
  const other = openEpoll();
  const first = other.listen(anyPort, () => new Recorder());
  let fd = 0;
  while (fd < 1_000 && call.accept4(fd, null, null, 0x800) !== -1 || selector.libc.errno() !== 11) fd++;
  const mine = call.dup(fd);
  const server = new Recorder();
  const listener = selector.listen({ transport: "fd", fd: mine }, () => server);
  assertEquals(listener.addr, first.addr);
  await other.close();
  const client = new Recorder();
  await selector.connect(target(listener.addr), () => client);
  await server.until(() => server.count("opened") === 1);
  const pair = new Int32Array(new ArrayBuffer(256), 0, 2);
  call.socketpair(1, 1, 0, pair);
  for (const wrong of [pair[0]!, 1_000_000]) {
    assertThrows(
      () => selector.listen({ transport: "fd", fd: wrong }, () => new Recorder()),
      AddressNotAvailableError,
      "no socket that can listen",
    );
  }
  for (const one of pair) call.close(one);
});

/** Connects to `addr`, which somebody must listen on; returns the descriptor. */
function connectTo({ libc }: EpollSelector, addr: Addr): number {
  const at = new SocketAddress();
  const isUnix = addr.transport === "unix";
  if (addr.transport === "unix") at.setPath(addr.path);
  else at.setIp(libc, addr.hostname, addr.port);
  const client = libc.call.socket(isUnix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assertEquals(libc.call.connect(client, at.bytes, at.length), 0);
  return client;
}

Deno.test("epoll: a listener on a socket that others have, too, is woken no more when it is closed", async () => {
  await using selector = openEpoll();
  const { libc, poll } = selector;
  const { descriptor, addr } = openListening(libc, checkListenOptions(anyPort), false);
  await selector.listen({ transport: "fd", fd: libc.call.dup(descriptor) }, () => new Recorder()).close();
  const client = connectTo(selector, addr); // The other one's connection.
  assertEquals(poll.dispatch(() => {}), 0);
  for (const fd of [client, descriptor]) libc.call.close(fd);
});

Deno.test("epoll: the path of a socket that was handed over stays when its listener is closed", async () => {
  await using selector = openEpoll();
  const { libc } = selector;
  const path = `${await Deno.makeTempDir()}/others.sock`;
  const { descriptor, addr } = openListening(libc, checkListenOptions({ transport: "unix", path }), false);
  await selector.listen({ transport: "fd", fd: libc.call.dup(descriptor) }, () => new Recorder()).close();
  for (const fd of [connectTo(selector, addr), descriptor]) libc.call.close(fd);
});

Deno.test("epoll: a path on which listening fails is not left behind", async () => {
  const breakages: Breakage[] = [
    (_real, fail) => ({ listen: () => fail(EADDRINUSE) }),
    (real, fail) => {
      let isListening = false;
      return {
        listen: (...all) => (isListening = true, real.listen(...all)),
        epollCtl: (...all) => isListening ? fail(ENOSPC) : real.epollCtl(...all),
      };
    },
  ];
  for (const breakage of breakages) {
    await using selector = openEpoll({ load: breakingLoader(breakage) });
    const path = `${await Deno.makeTempDir()}/failed.sock`;
    assertThrows(() => selector.listen({ transport: "unix", path }, () => new Recorder()), SluiceError);
    assertEquals(existsSync(path), false);
  }
});

Deno.test("epoll: hundreds of connections come and go, and the counts are right in the end", async () => {
  await using selector = openEpoll();
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
  assertEquals(selector.poll.size, 1); // The listener.
});

/** Why a connection ended that the server resets at once: then connecting may fail already. */
function resetOf(selector: Selector, addr: Addr, client: Recorder): Promise<unknown> {
  return selector.connect(target(addr), () => client).then(() => client.untilClosed(), (error) => error);
}

/** `accept4` fails so while `errno` is not 0. */
function failingAccept(state: { errno: number; fails: number }): Breakage {
  return (real, fail) => ({
    accept4: (...all) => {
      if (state.errno === 0) return real.accept4(...all);
      state.fails++;
      return fail(state.errno);
    },
  });
}

Deno.test("epoll: out of descriptors it pauses, counts, and goes on as soon as one is free", async () => {
  const state = { errno: 0, fails: 0 };
  await using selector = openEpoll({ load: breakingLoader(failingAccept(state)) });
  const servers: Recorder[] = [];
  const listener = selector.listen(anyPort, () => {
    const server = new Recorder();
    servers.push(server);
    return server;
  });
  const first = new Recorder();
  await selector.connect(target(listener.addr), () => first);
  state.errno = EMFILE;
  const second = new Recorder();
  await selector.connect(target(listener.addr), () => second);
  await first.until(() => first.count("opened") === 1);
  while (state.fails < 2) await new Promise((resolve) => selector.timers.after(0, () => resolve(null)));
  assertEquals(listener.stats.acceptErrors, 1); // Twice tried: once more by the reserve.
  state.errno = 0;
  first.transport.close(); // A descriptor is free: no waiting for the pause to end.
  await first.untilClosed();
  while (servers.length < 2) await new Promise((resolve) => selector.timers.after(0, () => resolve(null)));
  assertEquals(listener.stats.accepted, 2);
});

Deno.test("epoll: out of descriptors one client is told so, by the descriptor in reserve", async () => {
  let isOut = false;
  const breakage: Breakage = (real, fail) => {
    let hasReserve = false;
    let reserve = -1;
    return {
      eventfd: (...all) => reserve = real.eventfd(...all), // The last one made is the reserve.
      close: (fd) => {
        if (isOut && fd === reserve) hasReserve = true;
        return real.close(fd);
      },
      accept4: (...all) => {
        if (isOut && !hasReserve) return fail(EMFILE);
        hasReserve = false;
        return real.accept4(...all);
      },
    };
  };
  await using selector = openEpoll({ load: breakingLoader(breakage) });
  const listener = selector.listen(anyPort, () => new Recorder());
  isOut = true;
  const client = new Recorder();
  assert(await resetOf(selector, listener.addr, client) instanceof ConnectionResetError);
  assertEquals(listener.stats, { accepted: 0, refused: 0, open: 0, acceptErrors: 1 });
  isOut = false;
});

Deno.test("epoll: a connection that was gone before it was accepted counts, and the next is accepted", async () => {
  const errors = [EINTR, ECONNABORTED];
  const breakage: Breakage = (real, fail) => ({
    accept4: (...all) => errors.length > 0 ? fail(errors.shift()!) : real.accept4(...all),
  });
  await using selector = openEpoll({ load: breakingLoader(breakage) });
  const server = new Recorder();
  const listener = selector.listen(anyPort, () => server);
  await selector.connect(target(listener.addr), () => new Recorder());
  await server.until(() => server.count("opened") === 1);
  assertEquals(listener.stats.acceptErrors, 1);
});

Deno.test("epoll: a socket the kernel will not watch is reset and counted", async () => {
  let isFull = false;
  let watched = 0;
  const breakage: Breakage = (real, fail) => ({
    epollCtl: (set, operation, fd, event) => {
      if (isFull && operation === 1 && watched++ > 0) return fail(28); // ENOSPC: max_user_watches.
      return real.epollCtl(set, operation, fd, event);
    },
  });
  await using selector = openEpoll({ load: breakingLoader(breakage) });
  const listener = selector.listen(anyPort, () => new Recorder());
  isFull = true; // The next to be watched is the client, the one after it the server.
  const client = new Recorder();
  assert(await resetOf(selector, listener.addr, client) instanceof ConnectionResetError);
  assertEquals([listener.stats.accepted, listener.stats.acceptErrors], [0, 1]);
});

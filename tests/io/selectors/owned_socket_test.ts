import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  AF_INET,
  IPPROTO_TCP,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "../../../io/ffi/constants.ts";
import { ECONNRESET } from "../../../io/ffi/errno.ts";
import { SocketAddress } from "../../../io/ffi/layout.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { openListening } from "../../../io/selectors/listening_socket.ts";
import { checkListenOptions } from "../../../io/selectors/native_listen_options.ts";
import {
  closeWithReset,
  confirmedBytesOf,
  localAddrOf,
  remoteAddrOf,
  switchOn,
} from "../../../io/selectors/owned_socket.ts";
import { withLibc } from "../ffi/broken_libc.ts";

/** How long a receive waits, by Linux's number: so that a failure is one, and no wait for ever. */
const SO_RCVTIMEO = 20;

/** Runs with both ends of a TCP connection; the second is the test's to close. */
function withConnection(run: (libc: Libc, client: number, server: number) => void): void {
  withLibc((libc) => {
    const { call } = libc;
    const { descriptor, addr } = openListening(
      libc,
      checkListenOptions({ hostname: "127.0.0.1", port: 0 }),
      true,
    );
    const client = call.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    try {
      const at = new SocketAddress();
      at.setIp(libc, "127.0.0.1", (addr as Deno.NetAddr).port);
      assertEquals(call.connect(client, at.bytes, at.length), 0);
      run(libc, client, call.accept4(descriptor, null, null, SOCK_CLOEXEC));
    } finally {
      call.close(client);
      call.close(descriptor);
    }
  });
}

Deno.test("each end of a connection is the other's peer", () => {
  withConnection((libc, client, server) => {
    const scratch = new SocketAddress();
    const ends = [localAddrOf(libc, client, scratch), localAddrOf(libc, server, scratch)];
    assert(ends[0]!.transport === "tcp" && ends[0]!.hostname === "127.0.0.1");
    assertEquals([remoteAddrOf(libc, server, scratch), remoteAddrOf(libc, client, scratch)], ends);
    libc.call.close(server);
  });
});

Deno.test("what the peer has confirmed is known, up to what its program leaves room for", () => {
  withConnection((libc, client, server) => {
    const before = confirmedBytesOf(libc, server);
    const bytes = new Uint8Array(1_000);
    assertEquals(Number(libc.call.send(server, bytes, libc.size(1_000), 0)), 1_000);
    for (let came = 0; came < 1_000;) came += Number(libc.call.recv(client, bytes, libc.size(1_000), 0));
    while (confirmedBytesOf(libc, server) < before + 1_000); // It comes some milliseconds later.
    assertEquals(confirmedBytesOf(libc, server), before + 1_000);
    libc.call.close(server);
    assertEquals(confirmedBytesOf(libc, -1), 0, "what is no connection has confirmed nothing");
  });
});

Deno.test("a socket that is closed with a reset is seen as one, and has no peer any more", () => {
  withConnection((libc, client, server) => {
    const seconds = new BigInt64Array([10n, 0n]); // `struct timeval`.
    libc.call.setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, new Int32Array(seconds.buffer), 16);
    closeWithReset(libc, server);
    assertEquals(libc.call.recv(client, new Uint8Array(8), libc.size(8), 0), -1);
    assertEquals(libc.errno(), ECONNRESET);
    assertStrictEquals(remoteAddrOf(libc, client, new SocketAddress()), null);
  });
});

Deno.test("an option is switched on, or is none of the socket's", () => {
  withConnection((libc, client, server) => {
    const value = new Int32Array(new ArrayBuffer(64), 0, 1);
    const length = new Uint32Array(new ArrayBuffer(64), 0, 1);
    length[0] = 4;
    libc.call.getsockopt(client, IPPROTO_TCP, TCP_NODELAY, value, length);
    assertEquals([value[0], switchOn(libc, client, IPPROTO_TCP, TCP_NODELAY)], [0, true]);
    libc.call.getsockopt(client, IPPROTO_TCP, TCP_NODELAY, value, length);
    assertEquals([value[0], switchOn(libc, client, IPPROTO_TCP, 9_999)], [1, false]);
    libc.call.close(server);
  });
});

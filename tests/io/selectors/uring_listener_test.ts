import { assertEquals } from "@std/assert";
import { RLIMIT_NOFILE } from "../../../io/ffi/constants.ts";
import { SocketAddress } from "../../../io/ffi/layout.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { EAGAIN } from "../../../io/ffi/errno.ts";
import { OP } from "../../../io/ffi/uring_layout.ts";
import type { Addr } from "../../../io/selector.ts";
import { openListening } from "../../../io/selectors/listening_socket.ts";
import { checkListenOptions } from "../../../io/selectors/native_listen_options.ts";
import { openUring } from "../../../io/selectors/uring.ts";
import { KIND, SlotTable } from "../../../io/selectors/uring_host.ts";
import { UringListener, type UringListenerHost } from "../../../io/selectors/uring_listener.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

/** Sets how many descriptors the process may have; returns what it was. */
function limitDescriptors(libc: Libc, count: bigint): bigint {
  const limits = new BigUint64Array(new ArrayBuffer(256), 0, 2);
  libc.call.getrlimit(RLIMIT_NOFILE, limits);
  const before = limits[0]!;
  limits[0] = count;
  assertEquals(libc.call.setrlimit(RLIMIT_NOFILE, limits), 0);
  return before;
}

Deno.test("a listener that is out of descriptors counts that, and accepts when there are some again", async () => {
  await using selector = openUring();
  const { libc } = selector;
  const server = new Recorder();
  const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => server);
  const { port } = listener.addr as Deno.NetAddr;
  const address = new SocketAddress();
  address.setIp(libc, "127.0.0.1", port);
  const client = libc.call.socket(2, 1, 0);
  const next = libc.call.dup(client); // The lowest free one.
  libc.call.close(next);
  const before = limitDescriptors(libc, BigInt(next));
  try {
    assertEquals(libc.call.connect(client, address.bytes, address.length), 0);
    while (listener.stats.acceptErrors === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals({ ...listener.stats, acceptErrors: 1 }, {
      accepted: 0,
      refused: 0,
      open: 0,
      acceptErrors: 1,
    });
  } finally {
    limitDescriptors(libc, before);
  }
  await server.until(() => server.calls.includes("opened"));
  libc.call.close(client);
  await server.untilClosed();
});

Deno.test("closing a listener frees its slot, its descriptor and its path", async () => {
  await using selector = openUring();
  const path = `${await Deno.makeTempDir()}/socket`;
  const listener = selector.listen({ transport: "unix", path }, () => new Recorder());
  await selector.connect({ transport: "unix", path }, () => new Recorder()).then((client) => client.close());
  const closing = listener.close();
  await Promise.all([closing, listener.close()]);
  await selector.listen({ transport: "unix", path }, () => new Recorder()).close();
  while (selector.stats.slots > 0) await new Promise((resolve) => setTimeout(resolve, 0));
});

Deno.test("the path of a socket that was handed over stays when its listener is closed", async () => {
  await using selector = openUring();
  const { libc } = selector;
  const path = `${await Deno.makeTempDir()}/others.sock`;
  const { descriptor } = openListening(libc, checkListenOptions({ transport: "unix", path }), true);
  await selector.listen({ transport: "fd", fd: libc.call.dup(descriptor) }, () => new Recorder()).close();
  await (await selector.connect({ transport: "unix", path }, () => new Recorder())).close();
  libc.call.close(descriptor);
});

Deno.test("a socket that was handed over and never waits is accepted from", async () => {
  await using selector = openUring();
  const { libc } = selector;
  const socket = openListening(libc, checkListenOptions({ hostname: "127.0.0.1", port: 0 }), false);
  const server = new Recorder();
  const listener = selector.listen({ transport: "fd", fd: socket.descriptor }, () => server);
  const address = new SocketAddress();
  address.setIp(libc, "127.0.0.1", (socket.addr as Deno.NetAddr).port);
  for (let round = 1; round <= 2; round++) {
    const client = libc.call.socket(2, 1, 0);
    assertEquals(libc.call.connect(client, address.bytes, address.length), 0);
    await server.until(() => server.calls.filter((call) => call === "opened").length === round);
    libc.call.close(client);
    await server.until(() => server.calls.filter((call) => call === "closed").length === round);
  }
  await listener.close();
});

Deno.test("where the kernel says that there is no connection yet, the socket is polled, not asked over and over", () => {
  const operations: number[] = [];
  const host = {
    slots: new SlotTable(),
    timers: { idle: () => ({ cancel: () => {}, reset: () => {} }) },
    loop: { hold: () => {}, release: () => {}, openTurn: () => {} },
    ring: {
      words: new Uint32Array(16),
      prepare: (operation: number) => (operations.push(operation & 0xff), 0),
    },
  } as unknown as UringListenerHost;
  const addr: Addr = { transport: "tcp", hostname: "127.0.0.1", port: 1 };
  const socket = { descriptor: 1_000_000, addr, connectionsMax: 1, isInherited: true };
  const listener = new UringListener(host, socket, () => new Recorder());
  for (let round = 0; round < 2; round++) {
    listener.complete(KIND.accept, -EAGAIN, 0);
    listener.complete(KIND.poll, 1, 0);
  }
  assertEquals(operations, [OP.accept, OP.pollAdd, OP.accept, OP.pollAdd, OP.accept]);
  assertEquals(listener.stats.acceptErrors, 0);
});

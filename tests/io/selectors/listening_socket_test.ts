import { assert, assertEquals, assertThrows } from "@std/assert";
import { AddressInUseError, AddressNotAvailableError } from "../../../io/errors.ts";
import { probeLibc } from "../../../io/ffi/libc.ts";
import { checkListenOptions } from "../../../io/selectors/native_listen_options.ts";
import { openListening } from "../../../io/selectors/listening_socket.ts";
import type { ListenOptions } from "../../../io/selector.ts";

/** Opens sockets that listen, and closes them when the test is over. */
function withSockets(run: (open: (options: ListenOptions) => ReturnType<typeof openListening>) => void) {
  const libc = probeLibc().found!;
  const opened: number[] = [];
  try {
    run((options) => {
      const socket = openListening(libc, checkListenOptions(options), true);
      opened.push(socket.descriptor);
      return socket;
    });
  } finally {
    for (const descriptor of opened) libc.call.close(descriptor);
    libc.close();
  }
}

Deno.test("a socket listens where it is asked to, and knows the port that was picked", () => {
  withSockets((open) => {
    const { addr, connectionsMax } = open({ hostname: "127.0.0.1", port: 0, connectionsMax: 5 });
    assert(addr.transport === "tcp" && addr.hostname === "127.0.0.1" && addr.port > 0);
    assertEquals(connectionsMax, 5);
    const { addr: six } = open({ hostname: "::1", port: 0 });
    assert(six.transport === "tcp" && six.hostname === "::1");
    const path = `${Deno.makeTempDirSync()}/socket`;
    assertEquals(open({ transport: "unix", path }).addr, { transport: "unix", path });
  });
});

Deno.test("a port is shared by those who say so, and by nobody else", () => {
  withSockets((open) => {
    const first = open({ hostname: "127.0.0.1", port: 0, reusePort: true });
    const { port } = first.addr as Deno.NetAddr;
    assertEquals(open({ hostname: "127.0.0.1", port, reusePort: true }).addr, first.addr);
    assertThrows(() => open({ hostname: "127.0.0.1", port }), AddressInUseError);
  });
});

Deno.test("what cannot be listened on is refused with the reason", () => {
  const refused: ListenOptions[] = [
    { hostname: "192.0.2.1", port: 0 },
    { transport: "unix", path: "/".repeat(200) },
    { transport: "unix", path: "/proc/no-such-folder/socket" },
    { transport: "fd", fd: 1_000_000 },
    { transport: "fd", fd: 0 },
  ];
  withSockets((open) => {
    for (const options of refused) assertThrows(() => open(options), AddressNotAvailableError);
  });
});

Deno.test("a socket that listens already is taken over", () => {
  withSockets((open) => {
    const { descriptor, addr } = open({ hostname: "127.0.0.1", port: 0 });
    const libc = probeLibc().found!;
    const handedOver = libc.call.dup(descriptor);
    libc.close();
    assertEquals(open({ transport: "fd", fd: handedOver }), {
      descriptor: handedOver,
      addr,
      connectionsMax: 16_384,
      isInherited: true,
    });
  });
});

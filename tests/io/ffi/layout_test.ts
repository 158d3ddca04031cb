import { assertEquals } from "@std/assert";
import { AF_UNIX } from "../../../io/ffi/constants.ts";
import { checkLayouts, epollEventLayout, SocketAddress } from "../../../io/ffi/layout.ts";
import { detectRuntime } from "../../../io/runtime.ts";
import { type Breakage, OpenDescriptors, withLibc } from "./broken_libc.ts";

const { arch } = detectRuntime();

Deno.test("the layouts are this kernel's, and other ones are told", () => {
  withLibc((libc) => {
    assertEquals(checkLayouts(libc, arch), null);
    assertEquals(checkLayouts(libc, arch === "x64" ? "arm64" : "x64"), "epoll_event differs here");
  });
});

Deno.test("a kernel that refuses or answers otherwise is a reason, and nothing stays open", () => {
  const reason = (breakage: Breakage): string | null => {
    const descriptors = new OpenDescriptors();
    const all: Breakage = (real, fail) => ({ ...descriptors.breakage(real, fail), ...breakage(real, fail) });
    const found = withLibc((libc) => checkLayouts(libc, arch), all);
    assertEquals(descriptors.open.size, 0);
    return found;
  };
  assertEquals(reason(() => ({})), null);
  assertEquals(reason((_, fail) => ({ epollCreate1: () => fail(1) })), "epoll_create1 fails with error 1");
  assertEquals(reason((_, fail) => ({ epollCtl: () => fail(38) })), "epoll_ctl fails with error 38");
  assertEquals(reason((_, fail) => ({ epollWait: () => fail(1) })), "epoll_wait fails with error 1");
  assertEquals(reason((_, fail) => ({ socketpair: () => fail(1) })), "socketpair fails with error 1");
  assertEquals(reason((_, fail) => ({ sendmsg: () => fail(1) })), "sendmsg fails with error 1");
  assertEquals(reason(() => ({ recv: () => 3 })), "msghdr or iovec differs here");
  assertEquals(reason(() => ({ inetPton: () => 0 })), "inet_pton differs here");
  assertEquals(reason((_, fail) => ({ bind: () => fail(13) })), "a socket cannot be bound (error 13)");
  assertEquals(reason(() => ({ getsockname: () => 0 })), "sockaddr_un differs here");
});

Deno.test("only x86-64 packs its events", () => {
  assertEquals(epollEventLayout("x64"), { words: 3, dataAt: 1 });
  assertEquals(epollEventLayout("arm64"), { words: 4, dataAt: 2 });
});

Deno.test("addresses are read as they were written", () => {
  withLibc((libc) => {
    const address = new SocketAddress();
    for (
      const [hostname, length] of [["127.0.0.1", 16], ["255.0.10.7", 16], ["::1", 28], [
        "fe80::1:2",
        28,
      ]] as const
    ) {
      assertEquals(address.setIp(libc, hostname, 65_535), true);
      assertEquals(address.read(libc), { transport: "tcp", hostname, port: 65_535 });
      assertEquals(address.length, length);
    }
    for (const path of ["/run/x", "ä", "p".repeat(107)]) {
      assertEquals(address.setPath(path), true);
      assertEquals([address.family, address.read(libc)], [AF_UNIX, { transport: "unix", path }]);
    }
  });
});

Deno.test("what is no address is refused", () => {
  withLibc((libc) => {
    const address = new SocketAddress();
    for (const text of ["", "localhost", "1.2.3", "1.2.3.4.5", "::g", "1:2", "1".repeat(200)]) {
      assertEquals(address.setIp(libc, text, 1), false, text);
    }
    assertEquals(address.setPath("p".repeat(108)), false);
    assertEquals(address.setPath("a\0b"), false);
    address.clear();
    assertEquals(address.read(libc), { transport: "tcp", hostname: "0.0.0.0", port: 0 });
  });
});

import { assertEquals, assertStringIncludes } from "@std/assert";
import { AF_UNIX } from "../../../io/ffi/constants.ts";
import { type Libc, type LibcFunctions, probeLibc } from "../../../io/ffi/libc.ts";
import { checkLayouts, epollEventLayout, SocketAddress } from "../../../io/ffi/layout.ts";
import { detectRuntime } from "../../../io/runtime.ts";

const { arch } = detectRuntime();

function withLibc(run: (libc: Libc) => void): void {
  const { found, refusal } = probeLibc();
  assertEquals(refusal, null);
  try {
    run(found!);
  } finally {
    found!.close();
  }
}

/** libc with some functions replaced. */
function broken(libc: Libc, change: Partial<LibcFunctions>): Libc {
  const call = { ...libc.call, ...change };
  return Object.create(libc, {
    call: { value: call },
    errno: { value: () => 1 },
    size: { value: libc.size.bind(libc) },
  });
}

Deno.test("the layouts are this kernel's, and other ones are told", () => {
  withLibc((libc) => {
    assertEquals(checkLayouts(libc, arch), null);
    assertEquals(checkLayouts(libc, arch === "x64" ? "arm64" : "x64"), "epoll_event differs here");
  });
});

Deno.test("a kernel that refuses or answers otherwise is a reason, and nothing stays open", () => {
  withLibc((libc) => {
    const reason = (change: Partial<LibcFunctions>): string => {
      const opened = new Set<number>();
      const open = (fd: number): number => (opened.add(fd), fd);
      const tracked: Partial<LibcFunctions> = {
        socket: (...all) => open(libc.call.socket(...all)),
        eventfd: (...all) => open(libc.call.eventfd(...all)),
        epollCreate1: (flags) => open(libc.call.epollCreate1(flags)),
        close: (fd) => (opened.delete(fd), libc.call.close(fd)),
        ...change,
      };
      const found = checkLayouts(broken(libc, tracked), arch);
      assertEquals(opened.size, 0);
      return found ?? "none";
    };
    assertEquals(reason({}), "none");
    assertEquals(reason({ epollCreate1: () => -1 }), "epoll_create1 fails with error 1");
    assertEquals(reason({ epollCtl: () => -1 }), "epoll_ctl fails with error 1");
    assertEquals(reason({ epollWait: () => -1 }), "epoll_wait fails with error 1");
    assertEquals(reason({ socketpair: () => -1 }), "socketpair fails with error 1");
    assertEquals(reason({ sendmsg: () => -1 }), "sendmsg fails with error 1");
    assertEquals(reason({ recv: () => 3 }), "msghdr or iovec differs here");
    assertEquals(reason({ inetPton: () => 0 }), "inet_pton differs here");
    assertStringIncludes(reason({ bind: () => -1 }), "cannot be bound");
    assertStringIncludes(reason({ getsockname: () => 0 }), "differs here");
  });
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

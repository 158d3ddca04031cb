/** The constants do to sockets of this kernel what their names say. */

import { assertEquals } from "@std/assert";
import fs from "node:fs";
import * as c from "../../../io/ffi/constants.ts";
import { EAGAIN } from "../../../io/ffi/errno.ts";
import { type Libc, probeLibc } from "../../../io/ffi/libc.ts";
import { SocketAddress } from "../../../io/ffi/layout.ts";

function withSocket(family: number, run: (libc: Libc, fd: number) => void): void {
  const { found, refusal } = probeLibc();
  assertEquals(refusal, null);
  const libc = found!;
  const fd = libc.call.socket(family, c.SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0);
  try {
    run(libc, fd);
  } finally {
    libc.call.close(fd);
    libc.close();
  }
}

function option(libc: Libc, fd: number, level: number, name: number, value?: number): number {
  const cell = new Int32Array(new ArrayBuffer(128), 0, 2);
  if (value !== undefined) {
    cell[0] = value;
    assertEquals(libc.call.setsockopt(fd, level, name, cell, 4), 0);
  }
  const length = new Uint32Array([8]);
  assertEquals(libc.call.getsockopt(fd, level, name, cell, length), 0);
  return cell[0]!;
}

Deno.test("options of a socket are switched on by their names", () => {
  withSocket(c.AF_INET, (libc, fd) => {
    const { SOL_SOCKET } = c;
    assertEquals(option(libc, fd, SOL_SOCKET, c.SO_REUSEADDR, 1), 1);
    assertEquals(option(libc, fd, SOL_SOCKET, c.SO_REUSEPORT, 1), 1);
    assertEquals(option(libc, fd, SOL_SOCKET, c.SO_SNDBUF, 10_000), 20_000); // The kernel doubles it: socket(7).
    assertEquals(option(libc, fd, c.IPPROTO_TCP, c.TCP_NODELAY, 1), 1);
    assertEquals(option(libc, fd, SOL_SOCKET, c.SO_ERROR), 0);
    assertEquals(option(libc, fd, SOL_SOCKET, c.SO_ACCEPTCONN), 0);
    const address = new SocketAddress();
    address.setIp(libc, "127.0.0.1", 0);
    assertEquals(libc.call.bind(fd, address.bytes, address.length), 0);
    assertEquals(libc.call.listen(fd, 1), 0);
    assertEquals(option(libc, fd, SOL_SOCKET, c.SO_ACCEPTCONN), 1);
    assertEquals([libc.call.accept4(fd, null, null, 0), libc.errno()], [-1, EAGAIN]);
  });
});

Deno.test("flags of a descriptor are the file system's", () => {
  assertEquals(c.O_NONBLOCK, fs.constants.O_NONBLOCK);
  withSocket(c.AF_UNIX, (libc, fd) => {
    assertEquals(libc.call.fcntl(fd, c.F_GETFL, 0) & c.O_NONBLOCK, c.O_NONBLOCK);
    assertEquals(libc.call.fcntl(fd, c.F_SETFL, 0), 0);
    assertEquals(libc.call.fcntl(fd, c.F_GETFL, 0) & c.O_NONBLOCK, 0);
    assertEquals(libc.call.fcntl(fd, c.F_SETFD, c.FD_CLOEXEC), 0);
  });
});

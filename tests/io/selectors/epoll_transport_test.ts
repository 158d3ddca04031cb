/** What a connection does when the system takes a part, or fails; the contract is in epoll_test.ts. */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionResetError, ResourceExhaustedError } from "../../../io/errors.ts";
import { EPOLL_CTL_ADD } from "../../../io/ffi/constants.ts";
import { ECONNRESET, EINTR, ENOBUFS } from "../../../io/ffi/errno.ts";
import { type EpollSelector, openEpoll } from "../../../io/selectors/epoll.ts";
import { assertSameBytes, connectPair, noise, untilBothClosed } from "../../contracts/selector/harness.ts";
import { type Breakage, breakingLoader } from "../ffi/broken_libc.ts";

/** No room to wait for one more descriptor (epoll_ctl(2)), by Linux's number. */
const ENOSPC = 28;

async function withSelector(
  breakage: Breakage,
  run: (selector: EpollSelector) => Promise<void>,
): Promise<void> {
  await using selector = openEpoll({ load: breakingLoader(breakage) });
  await run(selector);
}

Deno.test("a system that takes a few bytes at a time gets all of them, in order", async () => {
  const few: Breakage = (real, fail) => {
    let calls = 0;
    return {
      send: (fd, bytes, _length, flags) => {
        calls++;
        if (calls % 3 === 0) return fail(calls % 2 === 0 ? 11 : EINTR);
        const part = (bytes as Uint8Array<ArrayBuffer>).subarray(0, 1 + calls % 700);
        return real.send(fd, part, sizeOf(part.length), flags);
      },
    };
  };
  let sizeOf: (bytes: number) => never = () => null as never;
  await withSelector(few, async (selector) => {
    sizeOf = (bytes) => selector.libc.size(bytes) as never;
    const { client, server } = await connectPair(selector);
    const bytes = noise(20_000, 1);
    client.transport.write(bytes);
    await server.until(() => server.bytes.length === bytes.length);
    assertSameBytes(server.bytes, bytes);
    assertEquals(client.transport.bufferedBytes, 0);
  });
});

Deno.test("a send that fails ends the connection once, with the system's reason", async () => {
  let errno = 0;
  const failing: Breakage = (real, fail) => ({
    send: (...all) => errno === 0 ? real.send(...all) : fail(errno),
  });
  for (
    const [code, kind] of [[ENOBUFS, ResourceExhaustedError], [ECONNRESET, ConnectionResetError]] as const
  ) {
    errno = 0;
    await withSelector(failing, async (selector) => {
      const pair = await connectPair(selector);
      errno = code;
      pair.client.transport.write(new Uint8Array(10));
      pair.client.transport.write(new Uint8Array(10));
      await pair.client.untilClosed();
      errno = 0;
      assertInstanceOf(pair.client.reason, kind);
      await untilBothClosed(pair);
    });
  }
});

Deno.test("a read that fails ends the connection; one that was interrupted does not", async () => {
  const errors: number[] = [];
  const failing: Breakage = (real, fail) => ({
    recv: (...all) => errors.length > 0 ? fail(errors.shift()!) : real.recv(...all),
  });
  await withSelector(failing, async (selector) => {
    const { client, server } = await connectPair(selector);
    errors.push(EINTR);
    client.transport.write(new Uint8Array(10));
    await server.until(() => server.bytes.length === 10);
    errors.push(ECONNRESET);
    client.transport.write(new Uint8Array(10));
    await server.untilClosed();
    assertInstanceOf(server.reason, ConnectionResetError);
  });
});

Deno.test("the kernel is told to stop reporting only when bytes come while reading is paused", async () => {
  let changes = 0;
  let onChange = (): void => {};
  const counting: Breakage = (real) => ({
    epollCtl: (set, operation, fd, event) => {
      if (operation === 3) {
        changes++;
        onChange();
      }
      return real.epollCtl(set, operation, fd, event);
    },
  });
  await withSelector(counting, async (selector) => {
    const { client, server } = await connectPair(selector);
    changes = 0;
    for (let i = 0; i < 10; i++) {
      server.transport.pauseReading();
      server.transport.resumeReading();
    }
    client.transport.write(new Uint8Array(10));
    await server.until(() => server.bytes.length === 10);
    assertEquals(changes, 0);
    server.transport.pauseReading();
    await new Promise<void>((resolve) => {
      onChange = resolve;
      client.transport.write(new Uint8Array(10));
    });
    assertEquals(server.bytes.length, 10);
    server.transport.resumeReading();
    await server.until(() => server.bytes.length === 20);
    assertEquals(changes, 2);
  });
});

Deno.test("a turn's parts go out in one call, whatever they are made of", async () => {
  const calls: string[] = [];
  const watching: Breakage = (real) => ({
    send: (...all) => (calls.push("send"), real.send(...all)),
    sendmsg: (...all) => (calls.push("sendmsg"), real.sendmsg(...all)),
  });
  await withSelector(watching, async (selector) => {
    const { client, server } = await connectPair(selector);
    const bytes = noise(100_000, 2);
    client.transport.write(bytes.subarray(0, 10));
    client.transport.write(bytes.subarray(10, 60_000)); // A block of its own.
    client.transport.write(bytes.subarray(60_000));
    await server.until(() => server.bytes.length === bytes.length);
    assertSameBytes(server.bytes, bytes);
    assertEquals(calls[0], "sendmsg");
  });
});

Deno.test("a connection that hung up and cannot be waited for any more fails when reading goes on", async () => {
  let isFull = false;
  const full: Breakage = (real, fail) => ({
    epollCtl: (set, operation, fd, event) =>
      isFull && operation === EPOLL_CTL_ADD ? fail(ENOSPC) : real.epollCtl(set, operation, fd, event),
  });
  await withSelector(full, async (selector) => {
    const { client, server } = await connectPair(selector, { ended: () => true });
    const { size } = selector.poll;
    server.transport.pauseReading();
    server.transport.closeWrite();
    await client.untilClosed(); // Both sides have ended, and the server has not heard so.
    while (selector.poll.size > size - 2) await new Promise((resolve) => setTimeout(resolve, 0));
    isFull = true;
    server.transport.resumeReading();
    isFull = false;
    assertInstanceOf(await server.untilClosed(), ResourceExhaustedError);
  });
});

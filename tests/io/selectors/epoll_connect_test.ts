/** Connecting on epoll where it differs; the contract suite has what all selectors share. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  ConnectionRefusedError,
  ResourceExhaustedError,
  SluiceError,
  UnreachableError,
} from "../../../io/errors.ts";
import { EINPROGRESS, EINTR, EMFILE } from "../../../io/ffi/errno.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import { type EpollOptions, openEpoll } from "../../../io/selectors/epoll.ts";
import type { ResolveHost } from "../../../io/selectors/native_resolve.ts";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";
import { breakingLoader } from "../ffi/broken_libc.ts";

/** No room to wait for one more descriptor (epoll_ctl(2)), by Linux's number. */
const ENOSPC = 28;

/** A resolver that knows one name. */
function knows(addresses: readonly string[], error: unknown = null): ResolveHost {
  return (_hostname, done) => queueMicrotask(() => done(error, addresses));
}

const listening = { hostname: "127.0.0.1", port: 0 } as const;

Deno.test("epoll: the addresses of a name are tried in turn until one answers", async () => {
  const addresses = ["127.0.0.2", "::1", "127.0.0.1"]; // Nobody listens at the first two.
  await using selector = openEpoll({ resolveHost: knows(addresses) });
  const { port } = selector.listen(listening, () => new Recorder()).addr as TcpAddr;
  const transport = await selector.connect({ hostname: "many.test", port }, () => new Recorder());
  assertEquals(transport.remoteAddr, { transport: "tcp", hostname: "127.0.0.1", port });
});

Deno.test("epoll: an address that does not answer costs its share of the time only", async () => {
  const silent = new Set<number>();
  const clock = new VirtualClock();
  const options: EpollOptions = {
    clock,
    resolveHost: knows(["127.0.0.2", "127.0.0.1"]),
    load: breakingLoader((real, fail) => ({
      connect: (fd, address, length) => {
        if ((address as Uint8Array)[7] !== 2) return real.connect(fd, address, length);
        silent.add(fd); // It is as if the SYN were lost: nothing will ever come.
        return fail(EINPROGRESS);
      },
      epollCtl: (set, operation, fd, event) => silent.has(fd) ? 0 : real.epollCtl(set, operation, fd, event),
      close: (fd) => (silent.delete(fd), real.close(fd)),
    })),
  };
  await using selector = openEpoll(options);
  const { port } = selector.listen(listening, () => new Recorder()).addr as TcpAddr;
  const target = { hostname: "many.test", port, timeoutMs: 10_000 };
  const connecting = selector.connect(target, () => new Recorder());
  while (silent.size === 0) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(4_990);
  assertEquals(silent.size, 1);
  await clock.advance(20);
  assertEquals(((await connecting).remoteAddr as TcpAddr).hostname, "127.0.0.1");
  assertEquals(silent.size, 0);
});

Deno.test("epoll: an address that is none does not cost the others their turn", async () => {
  await using selector = openEpoll({ resolveHost: knows(["not an address", "127.0.0.1"]) });
  const { port } = selector.listen(listening, () => new Recorder()).addr as TcpAddr;
  const transport = await selector.connect({ hostname: "many.test", port }, () => new Recorder());
  assertEquals((transport.remoteAddr as TcpAddr).hostname, "127.0.0.1");
});

Deno.test("epoll: when no address answers, the last one's reason is told", async () => {
  await using selector = openEpoll({ resolveHost: knows(["127.0.0.2", "127.0.0.3"]) });
  const { port } = selector.listen(listening, () => new Recorder()).addr as TcpAddr;
  const error = await assertRejects(
    () => selector.connect({ hostname: "many.test", port }, () => new Recorder()),
    ConnectionRefusedError,
  );
  assertEquals(error.address, `many.test:${port}`);
});

Deno.test("epoll: a name without an address, and one the resolver fails on, cannot be reached", async () => {
  for (const resolveHost of [knows([]), knows([], Object.assign(new Error("gone"), { code: "EAI_AGAIN" }))]) {
    await using selector = openEpoll({ resolveHost });
    await assertRejects(
      () => selector.connect({ hostname: "none.test", port: 1 }, () => new Recorder()),
      UnreachableError,
    );
  }
  await using selector = openEpoll({ resolveHost: knows(["not an address"]) });
  const error = await assertRejects(
    () => selector.connect({ hostname: "none.test", port: 1 }, () => new Recorder()),
    UnreachableError,
  );
  assertStringIncludes(error.message, "no such addresses");
});

Deno.test("epoll: a resolver that answers late finds nobody waiting", async () => {
  let answer = (): void => {};
  const resolveHost: ResolveHost = (_hostname, done) => answer = () => done(null, ["127.0.0.1"]);
  await using selector = openEpoll({ resolveHost });
  const controller = new AbortController();
  const connecting = selector.connect(
    { hostname: "slow.test", port: 1, signal: controller.signal },
    () => new Recorder(),
  );
  controller.abort(new Error("enough"));
  await assertRejects(() => connecting, Error, "enough");
  answer();
  assertEquals(selector.poll.size, 0);
});

Deno.test("epoll: where there is no descriptor left, connecting says so", async () => {
  const load = breakingLoader((real, fail) => {
    let sockets = 0;
    return { socket: (...all) => ++sockets > 1 ? fail(EMFILE) : real.socket(...all) }; // The first is the layout's check.
  });
  await using selector = openEpoll({ load });
  await assertRejects(
    () => selector.connect({ hostname: "127.0.0.1", port: 1 }, () => new Recorder()),
    ResourceExhaustedError,
  );
});

Deno.test("epoll: a path that is too long, or has no socket, cannot be connected to", async () => {
  await using selector = openEpoll();
  await assertRejects(
    () => selector.connect({ transport: "unix", path: "/p".repeat(200) }, () => new Recorder()),
    UnreachableError,
  );
  await assertRejects(
    () => selector.connect({ transport: "unix", path: "/nowhere/x.sock" }, () => new Recorder()),
    ConnectionRefusedError,
  );
});

Deno.test("epoll: a connect that a signal interrupted goes on by itself", async () => {
  const load = breakingLoader((real, fail) => ({
    connect: (...all) => real.connect(...all) === 0 ? fail(EINTR) : -1,
  }));
  await using selector = openEpoll({ load });
  const { port } = selector.listen(listening, () => new Recorder()).addr as TcpAddr;
  const transport = await selector.connect({ hostname: "127.0.0.1", port }, () => new Recorder());
  assertEquals((transport.remoteAddr as TcpAddr).port, port);
});

Deno.test("epoll: a descriptor that the system does not wait for fails its connect, and nothing else", async () => {
  let isFull = false;
  await using selector = openEpoll({
    load: breakingLoader((real, fail) => ({
      epollCtl: (...all) => isFull ? fail(ENOSPC) : real.epollCtl(...all),
    })),
  });
  const { port } = selector.listen(listening, () => new Recorder()).addr as TcpAddr;
  const options = { hostname: "127.0.0.1", port };
  isFull = true;
  const attempts = [1, 2].map(() =>
    assertRejects(() => selector.connect(options, () => new Recorder()), SluiceError)
  );
  await Promise.all(attempts); // Both fail in one turn: the first one's failure costs the second nothing.
  isFull = false;
  await selector.connect(options, () => new Recorder());
});

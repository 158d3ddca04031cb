import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionRefusedError, DeadlineExceededError, UnreachableError } from "../../../io/errors.ts";
import { SocketAddress } from "../../../io/ffi/layout.ts";
import type { TcpAddr } from "../../../io/selector.ts";
import type { ResolveHost } from "../../../io/selectors/native_resolve.ts";
import { openUring, type UringSelector } from "../../../io/selectors/uring.ts";
import { VirtualClock } from "../../../io/testing/virtual_clock.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

/** Nothing is under way and no descriptor open any more. */
async function untilEmpty(selector: UringSelector): Promise<void> {
  while (selector.stats.slots > 0) await new Promise((resolve) => setTimeout(resolve, 0));
}

Deno.test("a name is tried at each of its addresses", async () => {
  await using selector = openUring();
  for (const hostname of ["127.0.0.1", "::1"]) { // Whichever of them "localhost" means first.
    const server = new Recorder();
    const listener = selector.listen({ hostname, port: 0 }, () => server);
    const { port } = listener.addr as Deno.NetAddr;
    const attempt = selector.connect({ hostname: "localhost", port }, () => new Recorder());
    const outcome = await attempt.then(() => "connected", (error) => error);
    if (outcome === "connected") await server.until(() => server.calls.includes("opened"));
    else if (!(outcome instanceof ConnectionRefusedError)) throw outcome; // "localhost" has no such address here.
  }
});

/** A resolver that knows one name. */
function knows(...addresses: string[]): ResolveHost {
  return (hostname, done) =>
    queueMicrotask(() => done(null, hostname === "many.test" ? addresses : [hostname]));
}

/** A socket that listens, and takes no connection more: who asks for one gets no answer. */
async function full(
  selector: UringSelector,
  hostname: string,
  port: number,
): Promise<[fd: number, port: number]> {
  const { libc } = selector;
  const address = new SocketAddress();
  address.setIp(libc, hostname, port);
  const fd = libc.call.socket(2, 1, 0);
  assertEquals([libc.call.bind(fd, address.bytes, address.length), libc.call.listen(fd, 0)], [0, 0]);
  address.clear();
  libc.call.getsockname(fd, address.bytes, address.lengthCell);
  const bound = address.read(libc) as TcpAddr;
  await selector.connect({ hostname, port: bound.port, timeoutMs: null }, () => new Recorder()); // The queue has room for one.
  return [fd, bound.port];
}

Deno.test("where nobody answers, the deadline ends the attempt, and it leaves nothing behind", async () => {
  await using selector = openUring();
  const [fd, port] = await full(selector, "127.0.0.1", 0);
  const before = selector.stats.slots;
  for (const timeoutMs of [20, 30]) {
    const error = await assertRejects(
      () => selector.connect({ hostname: "127.0.0.1", port, timeoutMs }, () => new Recorder()),
      DeadlineExceededError,
    );
    assertEquals(error.timeoutMs, timeoutMs);
  }
  while (selector.stats.slots > before) await new Promise((resolve) => setTimeout(resolve, 0));
  selector.libc.call.close(fd);
});

Deno.test("an address that does not answer costs its share of the time only, and leaves nothing behind", async () => {
  const clock = new VirtualClock();
  await using selector = openUring({ clock, resolveHost: knows("127.0.0.2", "127.0.0.1") });
  const { port } = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => new Recorder()).addr as TcpAddr;
  const [fd] = await full(selector, "127.0.0.2", port);
  const before = selector.stats.slots;
  const target = { hostname: "many.test", port, timeoutMs: 10_000 };
  let isOver = false;
  const connecting = selector.connect(target, () => new Recorder()).finally(() => isOver = true);
  while (selector.stats.slots === before) await new Promise((resolve) => setTimeout(resolve, 0));
  await clock.advance(4_990);
  assertEquals(isOver, false);
  await clock.advance(20);
  const transport = await connecting;
  assertEquals((transport.remoteAddr as TcpAddr).hostname, "127.0.0.1");
  transport.abort();
  while (selector.stats.slots > before) await new Promise((resolve) => setTimeout(resolve, 0));
  selector.libc.call.close(fd);
});

Deno.test("the deadline may come while an address whose share is over is being let go", async () => {
  const clock = new VirtualClock();
  await using selector = openUring({ clock, resolveHost: knows("127.0.0.2", "127.0.0.1") });
  const [fd, port] = await full(selector, "127.0.0.2", 0);
  const before = selector.stats.slots;
  const target = { hostname: "many.test", port, timeoutMs: 10_000 };
  const failure = assertRejects(() => selector.connect(target, () => new Recorder()), DeadlineExceededError);
  while (selector.stats.slots === before) await new Promise((resolve) => setTimeout(resolve, 0));
  await clock.jumpTo(clock.now() + 10_100); // Both at once: the share's end first.
  await failure;
  while (selector.stats.slots > before) await new Promise((resolve) => setTimeout(resolve, 0));
  selector.libc.call.close(fd);
});

Deno.test("addresses that refuse, or are none, do not cost the others their turn; the last one's reason is told", async () => {
  await using selector = openUring({ resolveHost: knows("127.0.0.2", "not an address", "::1", "127.0.0.1") });
  const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => new Recorder());
  const { port } = listener.addr as TcpAddr;
  const transport = await selector.connect({ hostname: "many.test", port }, () => new Recorder());
  assertEquals((transport.remoteAddr as TcpAddr).hostname, "127.0.0.1");
  transport.abort();
  await listener.close();
  const error = await assertRejects(
    () => selector.connect({ hostname: "many.test", port }, () => new Recorder()),
    ConnectionRefusedError,
  );
  assertEquals(error.address, `many.test:${port}`);
  await untilEmpty(selector);
});

Deno.test("a resolver that answers late finds nobody waiting", async () => {
  let answer = (): void => {};
  await using selector = openUring({
    resolveHost: (_hostname, done) => answer = () => done(null, ["127.0.0.1"]),
  });
  const controller = new AbortController();
  const { signal } = controller;
  const connecting = selector.connect({ hostname: "slow.test", port: 1, signal }, () => new Recorder());
  controller.abort(new Error("enough"));
  await assertRejects(() => connecting, Error, "enough");
  answer();
  assertEquals(selector.stats.slots, 0);
});

Deno.test("a path that is too long, or where nobody is, is refused, and leaves nothing behind", async () => {
  await using selector = openUring();
  const create = () => new Recorder();
  const connect = (path: string) => selector.connect({ transport: "unix", path }, create);
  await assertRejects(() => connect("/".repeat(200)), UnreachableError);
  await assertRejects(() => connect("/no/such/socket"), ConnectionRefusedError);
  await untilEmpty(selector);
});

Deno.test("attempts given up at every stage leave nothing behind", async () => {
  await using selector = openUring();
  const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => new Recorder());
  const { hostname, port } = listener.addr as Deno.NetAddr;
  for (let turns = 0; turns < 6; turns++) {
    const controller = new AbortController();
    const { signal } = controller;
    const attempt = selector.connect({ hostname, port, signal }, () => new Recorder()).catch((error) =>
      error.message
    );
    for (let turn = 0; turn < turns; turn++) await null;
    controller.abort(new Error("enough"));
    const outcome = await attempt;
    if (typeof outcome === "string") assertEquals(outcome, "enough");
    else outcome.abort();
  }
  await listener.close();
  await untilEmpty(selector);
});

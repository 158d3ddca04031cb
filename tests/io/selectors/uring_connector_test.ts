import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionRefusedError, DeadlineExceededError, UnreachableError } from "../../../io/errors.ts";
import { SocketAddress } from "../../../io/ffi/layout.ts";
import { openUring, type UringSelector } from "../../../io/selectors/uring.ts";
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

Deno.test("where nobody answers, the deadline ends the attempt, and it leaves nothing behind", async () => {
  await using selector = openUring();
  const { libc } = selector;
  const address = new SocketAddress();
  address.setIp(libc, "127.0.0.1", 0);
  const full = libc.call.socket(2, 1, 0);
  assertEquals([libc.call.bind(full, address.bytes, address.length), libc.call.listen(full, 0)], [0, 0]);
  address.clear();
  libc.call.getsockname(full, address.bytes, address.lengthCell);
  const { hostname, port } = address.read(libc) as Deno.NetAddr;
  await selector.connect({ hostname, port }, () => new Recorder()); // The queue has room for one.
  const before = selector.stats.slots;
  for (const timeoutMs of [20, 30]) {
    const error = await assertRejects(
      () => selector.connect({ hostname, port, timeoutMs }, () => new Recorder()),
      DeadlineExceededError,
    );
    assertEquals(error.timeoutMs, timeoutMs);
  }
  while (selector.stats.slots > before) await new Promise((resolve) => setTimeout(resolve, 0));
  libc.call.close(full);
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

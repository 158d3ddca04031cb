import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { DeadlineExceededError, type SluiceError } from "../../../io/errors.ts";
import type { ConnectOptions, Protocol, Selector, Transport } from "../../../io/selector.ts";
import { MemorySelector, VirtualClock } from "../../../io/testing/mod.ts";
import type { ClientConnection, ExchangeListener } from "../../../server/gateway/client_connection.ts";
import {
  GatewayClosedError,
  UpstreamBusyError,
  UpstreamRefusedError,
  UpstreamTimeoutError,
  UpstreamUnreachableError,
} from "../../../server/gateway/errors.ts";
import { parseUpstream } from "../../../server/gateway/upstream.ts";
import { type PoolOptions, type PoolWaiter, UpstreamPool } from "../../../server/gateway/upstream_pool.ts";
import { RESPONSE_LIMITS_DEFAULT } from "../../../server/http1/limits.ts";
import { MemoryUpstream } from "./memory_peer.ts";

const OPTIONS: PoolOptions = {
  connectionsMax: 2,
  idleMax: 2,
  queueMax: 2,
  queueTimeoutMs: 10_000,
  connectTimeoutMs: 5_000,
  limits: RESPONSE_LIMITS_DEFAULT,
  idleTimeoutMs: 4_000,
  headTimeoutMs: 60_000,
  bodyIdleTimeoutMs: 30_000,
  continueTimeoutMs: 1_000,
};

/** A listener that does nothing: the exchanges here are over when the test says so. */
class Silent implements ExchangeListener {
  isEnded = false;
  error: SluiceError | null = null;
  onInterim() {}
  onContinue() {}
  onHead() {}
  onBody() {}
  onEnd() {
    this.isEnded = true;
  }
  onRead() {}
  onFailed(error: SluiceError) {
    this.error = error;
  }
  onSendResumed() {}
}

/** A waiter that begins a GET as soon as it can. */
class Waiter implements PoolWaiter {
  readonly wantsFresh: boolean;
  readonly exchange = new Silent();
  connection: ClientConnection | null = null;
  error: SluiceError | null = null;
  constructor(wantsFresh = false) {
    this.wantsFresh = wantsFresh;
  }
  onConnection(connection: ClientConnection) {
    this.connection = connection;
    connection.begin(this.exchange, "GET", "GET / HTTP/1.1\r\n\r\n", "none", false);
  }
  onRefused(error: SluiceError) {
    this.error = error;
  }
}

/** A selector whose `connect` does not settle before it is aborted or times out. */
class SilentNetwork implements Selector {
  readonly #inner: MemorySelector;
  constructor(inner: MemorySelector) {
    this.#inner = inner;
  }
  get kind() {
    return this.#inner.kind;
  }
  get clock() {
    return this.#inner.clock;
  }
  get timers() {
    return this.#inner.timers;
  }
  listen: Selector["listen"] = (options, create) => this.#inner.listen(options, create);
  connect(options: ConnectOptions, _create: () => Protocol): Promise<Transport> {
    const { timeoutMs, signal } = options;
    return new Promise((_, reject) => {
      const timer = this.timers.after(
        timeoutMs!,
        () => reject(new DeadlineExceededError("Cannot connect", timeoutMs!)),
      );
      signal!.addEventListener("abort", () => {
        timer.cancel();
        reject(signal!.reason);
      });
    });
  }
  close = () => this.#inner.close();
  [Symbol.asyncDispose] = () => this.#inner.close();
}

interface Stage {
  readonly clock: VirtualClock;
  readonly selector: MemorySelector;
  readonly upstream: MemoryUpstream;
  readonly pool: UpstreamPool;
  /** Sends a whole response to the oldest request without one. */
  answer(): Promise<void>;
  settle(): Promise<void>;
}

async function withPool(options: Partial<PoolOptions>, play: (stage: Stage) => Promise<void>): Promise<void> {
  const clock = new VirtualClock();
  await using selector = new MemorySelector({ clock });
  const upstream = new MemoryUpstream(selector);
  const pool = new UpstreamPool(selector, parseUpstream(upstream.url), { ...OPTIONS, ...options });
  const peers: Awaited<ReturnType<MemoryUpstream["accept"]>>[] = [];
  const settle = () => selector.runUntilIdle();
  const answer = async () => {
    await settle();
    while (upstream.pending > 0) peers.push(await upstream.accept());
    const peer = peers.find((candidate) => candidate.text !== "" && !candidate.isClosed)!;
    await peer.until("\r\n\r\n");
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    await settle();
  };
  await play({ clock, selector, upstream, pool, answer, settle });
  await pool.close();
}

/** Adds waiters to the pool's. */
function acquire(pool: UpstreamPool, count: number): Waiter[] {
  return Array.from({ length: count }, () => {
    const waiter = new Waiter();
    pool.acquire(waiter);
    return waiter;
  });
}

Deno.test("the pool connects when nothing is idle, and gives an idle connection from inside the call", async () => {
  await withPool({}, async ({ pool, answer }) => {
    const [first] = acquire(pool, 1);
    assertEquals(pool.stats, { open: 0, idle: 0, connecting: 1, queued: 1, opened: 0, reused: 0 });
    await answer();
    assertEquals(pool.stats, { open: 1, idle: 1, connecting: 0, queued: 0, opened: 1, reused: 0 });
    const [second] = acquire(pool, 1);
    assert(second!.connection === first!.connection);
    assertEquals(pool.stats, { open: 1, idle: 0, connecting: 0, queued: 0, opened: 1, reused: 1 });
    await answer();
  });
});

Deno.test("there are never more connections than connectionsMax; the others wait their turn", async () => {
  await withPool({}, async ({ pool, answer, settle }) => {
    const waiters = acquire(pool, 4);
    await settle();
    assertEquals(pool.stats, { open: 2, idle: 0, connecting: 0, queued: 2, opened: 2, reused: 0 });
    for (let i = 0; i < 4; i++) {
      await answer();
      assert(pool.stats.open <= 2);
    }
    assert(waiters.every((waiter) => waiter.exchange.isEnded));
    assertEquals(pool.stats, { open: 2, idle: 2, connecting: 0, queued: 0, opened: 2, reused: 2 });
  });
});

Deno.test("one waiter above queueMax is refused at once", async () => {
  await withPool({}, async ({ pool, settle }) => {
    const waiters = acquire(pool, 5);
    assertInstanceOf(waiters[4]!.error, UpstreamBusyError);
    assertEquals(waiters[4]!.error.retryAfterS, 1);
    await settle();
    assert(waiters.slice(0, 4).every((waiter) => waiter.error === null));
  });
});

Deno.test("a waiter is refused when no connection becomes free in time", async () => {
  await withPool({}, async ({ pool, clock, settle }) => {
    const waiters = acquire(pool, 3);
    await settle();
    await clock.advance(9_900);
    assertEquals(waiters[2]!.error, null);
    await clock.advance(200);
    assertInstanceOf(waiters[2]!.error, UpstreamBusyError);
    assertEquals(pool.stats.queued, 0);
  });
});

Deno.test("idle connections above idleMax are closed", async () => {
  await withPool({ idleMax: 1 }, async ({ pool, answer, settle }) => {
    acquire(pool, 2);
    await answer();
    await answer();
    await settle();
    assertEquals([pool.stats.open, pool.stats.idle], [1, 1]);
  });
});

Deno.test("a closed connection makes room for who waits", async () => {
  await withPool({ connectionsMax: 1 }, async ({ pool, answer, settle }) => {
    const [first, second] = acquire(pool, 2);
    await settle();
    first!.connection!.abort(new Error("the client left"));
    await answer();
    assert(second!.exchange.isEnded);
    assertEquals(pool.stats.opened, 2);
  });
});

Deno.test("who wants a fresh connection does not get one that was used", async () => {
  await withPool({ connectionsMax: 1 }, async ({ pool, answer }) => {
    const [first] = acquire(pool, 1);
    await answer();
    const fresh = new Waiter(true);
    pool.acquire(fresh);
    await answer();
    assert(fresh.exchange.isEnded && fresh.connection !== first!.connection);
    assertEquals([pool.stats.opened, pool.stats.reused], [2, 0]);
  });
});

Deno.test("a connection that was used is not kept for those who want a fresh one", async () => {
  await withPool({ connectionsMax: 1 }, async ({ pool, answer, settle }) => {
    const [first] = acquire(pool, 1);
    await settle();
    const fresh = new Waiter(true);
    pool.acquire(fresh);
    await answer();
    assert(first!.exchange.isEnded);
    await answer();
    assert(fresh.exchange.isEnded && fresh.connection !== first!.connection);
  });
});

Deno.test("idle connections that the upstream closed are not given out", async () => {
  await withPool({}, async ({ pool, answer, upstream, settle }) => {
    const [first] = acquire(pool, 1);
    await settle();
    const peer = await upstream.accept();
    peer.send("HTTP/1.1 204 No Content\r\n\r\n");
    await settle();
    peer.transport.close();
    await settle();
    assertEquals([pool.stats.open, pool.stats.idle], [0, 0]);
    const [second] = acquire(pool, 1);
    await answer();
    assert(second!.exchange.isEnded && second!.connection !== first!.connection);
  });
});

Deno.test("when nobody listens, each waiter is refused, the queued ones too", async () => {
  await withPool({}, async ({ pool, upstream, settle }) => {
    await upstream.listener.close();
    const waiters = acquire(pool, 4);
    await settle();
    await settle();
    for (const waiter of waiters) assertInstanceOf(waiter.error, UpstreamRefusedError);
    assertEquals(pool.stats, { open: 0, idle: 0, connecting: 0, queued: 0, opened: 0, reused: 0 });
  });
});

Deno.test("a name that is not known is unreachable", async () => {
  await using selector = new MemorySelector();
  const pool = new UpstreamPool(selector, parseUpstream("http://nowhere.example"), OPTIONS);
  const [waiter] = acquire(pool, 1);
  await selector.runUntilIdle();
  assertInstanceOf(waiter!.error, UpstreamUnreachableError);
});

Deno.test("connecting that takes too long is a time-out", async () => {
  const clock = new VirtualClock();
  await using selector = new MemorySelector({ clock });
  const pool = new UpstreamPool(new SilentNetwork(selector), parseUpstream("http://127.0.0.1:1"), OPTIONS);
  const [waiter] = acquire(pool, 1);
  await clock.advance(4_900);
  assertEquals(waiter!.error, null);
  await clock.advance(200);
  assertInstanceOf(waiter!.error, UpstreamTimeoutError);
  assertEquals([waiter!.error.phase, waiter!.error.timeoutMs], ["connect", 5_000]);
});

Deno.test("a waiter that is cancelled takes its attempt to connect with it", async () => {
  await using selector = new MemorySelector();
  const pool = new UpstreamPool(new SilentNetwork(selector), parseUpstream("http://127.0.0.1:1"), OPTIONS);
  const [first, second] = acquire(pool, 2);
  assertEquals([pool.stats.connecting, pool.stats.queued], [2, 2]);
  pool.cancel(first!);
  assertEquals([pool.stats.connecting, pool.stats.queued], [1, 1]);
  pool.cancel(second!);
  pool.cancel(second!); // again is no harm
  assertEquals([pool.stats.connecting, pool.stats.queued], [0, 0]);
  await pool.close();
  assertEquals([first!.error, second!.error], [null, null]);
});

Deno.test("a queued waiter that is cancelled leaves the others' attempts alone", async () => {
  await using selector = new MemorySelector();
  const pool = new UpstreamPool(new SilentNetwork(selector), parseUpstream("http://127.0.0.1:1"), OPTIONS);
  const [, , third] = acquire(pool, 3);
  pool.cancel(third!);
  assertEquals([pool.stats.connecting, pool.stats.queued], [2, 2]);
  await pool.close();
});

Deno.test("a closed pool refuses who waits and who comes, fails who is served, and has no connection left", async () => {
  await withPool({}, async ({ pool, settle }) => {
    const waiters = acquire(pool, 3);
    await settle();
    const closed = pool.close();
    assert(pool.close() === closed);
    await closed;
    assertInstanceOf(waiters[0]!.exchange.error, GatewayClosedError);
    assertInstanceOf(waiters[2]!.error, GatewayClosedError);
    const [late] = acquire(pool, 1);
    assertInstanceOf(late!.error, GatewayClosedError);
    assertEquals([pool.stats.open, pool.stats.idle, pool.stats.queued], [0, 0, 0]);
  });
});

Deno.test("a pool that was closed while connecting settles when the attempts have", async () => {
  await using selector = new MemorySelector();
  const upstream = new MemoryUpstream(selector);
  const pool = new UpstreamPool(selector, parseUpstream(upstream.url), OPTIONS);
  const [waiter] = acquire(pool, 1);
  await pool.close();
  assertInstanceOf(waiter!.error, GatewayClosedError);
  assertEquals(pool.stats.open, 0);
});

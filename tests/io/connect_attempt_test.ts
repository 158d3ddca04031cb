import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  AddressAttempt,
  checkConnectPort,
  ConnectAttempt,
  ConnectAttempts,
  type ConnectResult,
  describeTarget,
  type UnopenedTransport,
} from "../../io/connect_attempt.ts";
import { DeadlineExceededError, SelectorClosedError, UnreachableError } from "../../io/errors.ts";
import type { ConnectOptions, Protocol } from "../../io/selector.ts";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { Recorder } from "../contracts/selector/recorder.ts";

const there = { hostname: "127.0.0.1", port: 80 } as const;

/** A way of connecting that tells what it is asked for. */
class ToldAttempt extends ConnectAttempt {
  readonly calls: string[] = [];
  protocol: Protocol | null = null;
  readonly transport = { start: () => this.calls.push("start") } as unknown as UnopenedTransport;

  connected(): void {
    this.succeed();
  }

  get isDone(): boolean {
    return this.isOver;
  }

  protected override abandon(): void {
    this.calls.push("abandon");
  }

  protected override open(protocol: Protocol): UnopenedTransport {
    this.calls.push("open");
    this.protocol = protocol;
    return this.transport;
  }
}

/** A selector's attempts, and the one that `connect` began last. */
function setUp() {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const attempts = new ConnectAttempts(timers);
  const begun: ToldAttempt[] = [];
  const connect = (options: ConnectOptions, createProtocol: () => Protocol = () => new Recorder()) =>
    attempts.connect(options, createProtocol, (result: ConnectResult) => {
      begun.push(new ToldAttempt(attempts, options, result));
    });
  /** What still waits: attempts and their timers. */
  const left = () => [attempts.size, timers.armedCount];
  return { clock, attempts, begun, connect, left };
}

Deno.test("an aborted signal comes first, then a closed selector; neither begins an attempt", async () => {
  const { attempts, begun, connect } = setUp();
  attempts.close(new Error("not heard"));
  const reason = new Error("enough");
  const failure = assertRejects(() => connect({ ...there, signal: AbortSignal.abort(reason) }), Error);
  assertStrictEquals(await failure, reason);
  const error = await assertRejects(() => connect(there), SelectorClosedError);
  assertEquals([error.message, begun.length], ["Cannot connect: the selector is closed", 0]);
});

Deno.test("what is connected is opened, and signal and deadline have no more say", async () => {
  const { clock, begun, connect, left } = setUp();
  const controller = new AbortController();
  const protocol = new Recorder();
  const connecting = connect({ ...there, signal: controller.signal, timeoutMs: 50 }, () => protocol);
  const [attempt] = begun;
  assertEquals(left(), [1, 1]);
  attempt!.connected();
  assertStrictEquals(await connecting, attempt!.transport);
  assertStrictEquals(attempt!.protocol, protocol);
  assertEquals([left(), attempt!.isDone], [[0, 0], true]);
  controller.abort();
  await clock.advance(100);
  attempt!.fail(new Error("too late"));
  assertEquals(attempt!.calls, ["open", "start"]);
});

Deno.test("an attempt fails once, with the first reason", async () => {
  const { begun, connect, left } = setUp();
  const connecting = connect(there);
  const reason = new Error("first");
  begun[0]!.fail(reason);
  begun[0]!.fail(new Error("second"));
  assertStrictEquals(await assertRejects(() => connecting, Error), reason);
  assertEquals([begun[0]!.calls, left()], [["abandon"], [0, 0]]);
});

Deno.test("a signal gives it up, with its reason", async () => {
  const { begun, connect, left } = setUp();
  const controller = new AbortController();
  const connecting = connect({ ...there, signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => connecting, Error), reason);
  assertEquals([begun[0]!.calls, left()], [["abandon"], [0, 0]]);
});

Deno.test("a deadline gives it up: 10 s if nobody says otherwise, and never for null", async () => {
  const { clock, begun, connect, left } = setUp();
  const usual = assertRejects(() => connect(there), DeadlineExceededError);
  const short = assertRejects(() => connect({ ...there, timeoutMs: 1_000 }), DeadlineExceededError);
  connect({ ...there, timeoutMs: null });
  assertEquals(left(), [3, 2]);
  await clock.advance(1_500);
  assertEquals((await short).message, "Cannot connect to 127.0.0.1:80: not done within 1000 ms");
  await clock.advance(10_000);
  assertEquals((await usual).timeoutMs, 10_000);
  assertEquals(begun.map(({ calls }) => calls), [["abandon"], ["abandon"], []]);
  assertEquals(left(), [1, 0]);
});

Deno.test("the end of the selector gives up what is under way, and nothing else", async () => {
  const { attempts, begun, connect, left } = setUp();
  const first = connect(there);
  begun[0]!.connected();
  const reason = new SelectorClosedError("Cannot go on with the connection");
  const failures = [connect(there), connect(there)].map((one) => assertRejects(() => one, Error));
  attempts.close(reason);
  assertEquals(await Promise.all(failures), [reason, reason]);
  assertStrictEquals(await first, begun[0]!.transport);
  assertEquals(begun.map(({ calls }) => calls), [["open", "start"], ["abandon"], ["abandon"]]);
  assertEquals(left(), [0, 0]);
});

Deno.test("a protocol that cannot be made fails the attempt", async () => {
  const { begun, connect, left } = setUp();
  const reason = new Error("no protocol today");
  const connecting = connect(there, () => {
    throw reason;
  });
  begun[0]!.connected();
  assertStrictEquals(await assertRejects(() => connecting, Error), reason);
  assertEquals([begun[0]!.calls, left()], [["abandon"], [0, 0]]);
});

Deno.test("who gives the attempt up while it makes the protocol gets no connection", async () => {
  const { begun, connect, left } = setUp();
  const controller = new AbortController();
  const reason = new Error("on second thoughts");
  const connecting = connect({ ...there, signal: controller.signal }, () => {
    controller.abort(reason);
    return new Recorder();
  });
  begun[0]!.connected();
  assertStrictEquals(await assertRejects(() => connecting, Error), reason);
  assertEquals([begun[0]!.calls, left()], [["abandon"], [0, 0]]);
});

Deno.test("a timeout that is none is refused, and nothing has begun", async () => {
  const { connect, left } = setUp();
  const { signal } = new AbortController();
  for (const timeoutMs of [-1, NaN, Infinity]) {
    await assertRejects(() => connect({ ...there, signal, timeoutMs }), RangeError);
  }
  assertEquals(left(), [0, 0]);
});

/** Goes through addresses that the test makes fail. */
class ToldAddresses extends AddressAttempt {
  readonly calls: string[] = [];

  found(addresses: readonly string[], reason: unknown = null): void {
    this.resolved(reason, addresses);
  }

  failed(reason: unknown): void {
    this.addressFailed(reason);
  }

  connected(): void {
    this.succeed();
  }

  protected override tryAddress(address: string): void {
    this.calls.push(address);
    if (address === "refuses at once") this.addressFailed(new Error(address));
  }

  protected override giveUpAddress(): void {
    this.calls.push("give up");
    this.addressFailed(new Error("no answer"));
  }

  protected override abandon(): void {
    this.calls.push("abandon");
  }

  protected override open(): UnopenedTransport {
    return { start: () => this.calls.push("start") } as unknown as UnopenedTransport;
  }
}

/** One attempt at a name, with a clock. */
function setUpName(timeoutMs: number | null) {
  const clock = new VirtualClock();
  const timers = new TimerWheel(clock);
  const attempts = new ConnectAttempts(timers);
  let attempt!: ToldAddresses;
  const options = { hostname: "many.test", port: 80, timeoutMs };
  const connecting = attempts.connect(options, () => new Recorder(), (result) => {
    attempt = new ToldAddresses(attempts, options, result);
  });
  return { clock, timers, attempt, connecting };
}

Deno.test("of several addresses each has its share of the time, and the last one all that is left", async () => {
  const { clock, timers, attempt, connecting } = setUpName(9_000);
  const failure = assertRejects(() => connecting, DeadlineExceededError);
  attempt.found(["a", "b", "c"]);
  await clock.advance(2_999);
  assertEquals(attempt.calls, ["a"]);
  await clock.advance(11);
  assertEquals(attempt.calls, ["a", "give up", "b"]);
  attempt.failed(new Error("refused")); // Early: what it leaves is the last one's.
  await clock.advance(5_900);
  assertEquals(attempt.calls.splice(0), ["a", "give up", "b", "c"]);
  await clock.advance(200);
  assertEquals((await failure).timeoutMs, 9_000);
  assertEquals([attempt.calls, timers.armedCount], [["abandon"], 0]);
});

Deno.test("an address that answers ends all waiting, and its share with it", async () => {
  const { clock, timers, attempt, connecting } = setUpName(9_000);
  attempt.found(["a", "b"]);
  await clock.advance(4_000);
  attempt.connected();
  await connecting;
  assertEquals(timers.armedCount, 0);
  await clock.advance(10_000);
  assertEquals(attempt.calls, ["a", "start"]);
});

Deno.test("when no address answers, the last one's reason is told, also of those that fail at once", async () => {
  const { timers, attempt, connecting } = setUpName(9_000);
  attempt.found(["refuses at once", "a", "refuses at once", "refuses at once"]);
  attempt.failed(new Error("not the last"));
  const reason = await assertRejects(() => connecting, Error, "refuses at once");
  attempt.failed(new Error("too late"));
  assertEquals(reason.message, "refuses at once");
  assertEquals(attempt.calls, ["refuses at once", "a", "refuses at once", "refuses at once", "abandon"]);
  assertEquals(timers.armedCount, 0);
});

Deno.test("one address has no share, nor has any where there is no deadline", async () => {
  for (const [timeoutMs, addresses] of [[9_000, ["a"]], [null, ["a", "b"]]] as const) {
    const { clock, attempt, connecting } = setUpName(timeoutMs);
    attempt.found(addresses);
    await clock.advance(8_900);
    assertEquals(attempt.calls, ["a"]);
    attempt.connected();
    await connecting;
  }
});

Deno.test("a name that cannot be resolved, or has no address, fails; who has given up hears nothing of it", async () => {
  const unresolved = setUpName(1_000);
  const reason = new Error("no such name");
  unresolved.attempt.found([], reason);
  assertStrictEquals(await assertRejects(() => unresolved.connecting, Error), reason);
  const nameless = setUpName(1_000);
  nameless.attempt.found([]);
  await assertRejects(() => nameless.connecting, UnreachableError, "the name has no address");
  const late = setUpName(1_000);
  const failure = assertRejects(() => late.connecting, DeadlineExceededError);
  await late.clock.advance(1_100);
  await failure;
  late.attempt.found(["a"]);
  assertEquals([late.attempt.calls, late.timers.armedCount], [["abandon"], 0]);
});

Deno.test("messages name the address as it is written", () => {
  assertEquals(describeTarget(there), "127.0.0.1:80");
  assertEquals(describeTarget({ hostname: "::1", port: 80 }), "[::1]:80");
  assertEquals(describeTarget({ transport: "unix", path: "/x.sock" }), "unix:/x.sock");
});

Deno.test("a port is an integer from 0 to 65535", () => {
  for (const port of [0, 1, 65_535]) checkConnectPort({ hostname: "a", port });
  checkConnectPort({ transport: "unix", path: "/x.sock" });
  for (const port of [-1, 65_536, 1.5, NaN]) {
    assertThrows(() => checkConnectPort({ hostname: "a", port }), RangeError, `not ${port}`);
  }
});

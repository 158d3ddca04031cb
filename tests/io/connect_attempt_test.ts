import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  checkConnectPort,
  ConnectAttempt,
  ConnectAttempts,
  type ConnectResult,
  describeTarget,
  type UnopenedTransport,
} from "../../io/connect_attempt.ts";
import { DeadlineExceededError, SelectorClosedError } from "../../io/errors.ts";
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

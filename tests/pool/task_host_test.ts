/** The worker's side, message by message. */

import { assertEquals } from "@std/assert";
import {
  CANCEL,
  CREDIT,
  DONE,
  EXEC,
  FAILED,
  INTERRUPTED,
  ITEMS,
  type Message,
  type RemoteError,
  RUN,
  SENT,
  SKIPPED,
  STARTED,
  STOPPING,
  STRAY,
  STRUCK,
  SUCCEEDED,
  TAKEN,
  UNCLONEABLE,
  type WorkerConfig,
} from "../../pool/protocol.ts";
import { type HostRuntime, INTERRUPTION, TaskHost } from "../../pool/task_host.ts";
import * as tasks from "../support/pool_tasks.ts";

/** A host that the test speaks with; what is to run soon runs when the test says so. */
function open(config: Partial<WorkerConfig> = {}, runtime: Partial<HostRuntime> = {}) {
  const control = new Int32Array(new SharedArrayBuffer(4 * 16));
  const sent: Message[] = [];
  const soon: (() => void)[] = [];
  const whole: WorkerConfig = {
    moduleUrl: "",
    control,
    slots: 16,
    concurrency: 1,
    stretchMsMax: 0,
    interrupts: false,
    graceMs: 100,
    transfers: true,
    ...config,
  };
  const host = new TaskHost(tasks, whole, {
    post: (message, transfer) => void sent.push(structuredClone(message, { transfer })),
    soon: (run) => void soon.push(run),
    interrupt: (run) => run(),
    ...runtime,
  });
  const run = (
    ...calls: [slot: number, name: string, input?: unknown, credits?: number, deadlineMs?: number][]
  ) =>
    host.receive([
      RUN,
      ...calls.flatMap(([slot, name, input, credits = 0, ms = 0]) => [slot, name, credits, ms, input]),
    ]);
  return { host, control, sent, soon, run };
}

/** Outcomes in messages: slot, outcome and value. */
function outcomes(sent: readonly Message[]): [number, number, unknown][] {
  return sent.filter(([kind]) => kind === DONE).flatMap(([, ...rest]) =>
    Array.from({ length: rest.length / 4 }, (_, index): [number, number, unknown] => [
      rest[4 * index] as number,
      rest[4 * index + 1] as number,
      rest[4 * index + 2],
    ])
  );
}

const settle = () => new Promise<void>((resolve) => setTimeout(resolve));

Deno.test("sync calls of one message are answered in one", () => {
  const { run, sent, control } = open();
  run([0, "increment", 1], [1, "increment", 2], [2, "greet"]);
  assertEquals(sent.length, 1);
  assertEquals(outcomes(sent), [[0, SUCCEEDED, 2], [1, SUCCEEDED, 3], [2, SUCCEEDED, "hello you"]]);
  assertEquals([...control.subarray(0, 4)], [STARTED, STARTED, STARTED, SENT]);
});

Deno.test("what was taken back is skipped", () => {
  const { run, sent, control } = open();
  control[1] = TAKEN;
  run([0, "increment", 1], [1, "increment", 2]);
  assertEquals(outcomes(sent), [[0, SUCCEEDED, 2], [1, SKIPPED, undefined]]);
});

Deno.test("no more run at once than concurrency says", async () => {
  const { run, sent, host } = open({ concurrency: 2 });
  run([0, "waitForSignal", null], [1, "waitForSignal", null], [2, "increment", 1]);
  await settle();
  assertEquals(outcomes(sent), []);
  host.receive([CANCEL, 0]);
  await settle();
  assertEquals(outcomes(sent), [[0, SUCCEEDED, "too late"], [2, SUCCEEDED, 2]]);
  host.receive([CANCEL, 1]);
  host.receive([CANCEL, 9]); // nobody's
  await settle();
});

Deno.test("failures, unknown names and the wrong kind of call are told", async () => {
  const { run, sent } = open({ concurrency: 9 });
  run([0, "fail", "no"], [1, "absent"], [2, "count", 1], [3, "increment", 1, 4], [4, "failSometimes", 7], [
    5,
    "returnFunction",
  ]);
  await settle();
  const told = outcomes(sent).map((
    [slot, outcome, value],
  ) => [slot, outcome, (value as RemoteError).message ?? ""]);
  assertEquals(told, [
    [0, FAILED, "no"],
    [1, FAILED, 'the module exports no function "absent"'],
    [2, FAILED, "count is a generator: call stream()"],
    [3, FAILED, "increment is no generator: call run()"],
    [5, UNCLONEABLE, ""],
    [4, FAILED, "no 7"],
  ]);
});

Deno.test("a stream sends as many items as it has credits, then waits, and others run meanwhile", async () => {
  const { run, sent, host, soon } = open();
  run([0, "count", 5, 2], [1, "increment", 1]);
  for (const flush of soon.splice(0)) flush();
  await settle();
  const items = () => sent.filter(([kind]) => kind === ITEMS).flatMap((message) => message.slice(2));
  assertEquals(items(), [0, 1]);
  assertEquals(outcomes(sent), [[1, SUCCEEDED, 2]]);
  host.receive([CREDIT, 0, 9]);
  await settle();
  assertEquals(items(), [0, 1, 2, 3, 4]);
  assertEquals(outcomes(sent), [[1, SUCCEEDED, 2], [0, SUCCEEDED, undefined]]);
  host.receive([CREDIT, 0, 9]); // late, and of no account
});

Deno.test("a cancelled stream ends its generator", async () => {
  const { run, sent, host, control } = open();
  const words = new Int32Array(new SharedArrayBuffer(8));
  run([0, "endless", words, 2]);
  await settle();
  Atomics.store(control, 0, STOPPING);
  host.receive([CANCEL, 0]);
  await settle();
  assertEquals([words[1], outcomes(sent).map(([slot, outcome]) => [slot, outcome])], [1, [[0, FAILED]]]);
});

Deno.test("a stream that its deadline broke off is not taken for a whole one", async () => {
  const { run, sent } = open();
  const words = new Int32Array(new SharedArrayBuffer(8));
  run([0, "endless", words, 1_000, 0.001]);
  await settle();
  assertEquals(outcomes(sent).map(([slot, outcome]) => [slot, outcome]), [[0, FAILED]]);
});

Deno.test("items that a generator yielded in a row come before its failure", async () => {
  const { run, sent } = open();
  run([0, "countAndFail", 20, 64]);
  await settle();
  const items = sent.filter(([kind]) => kind === ITEMS).flatMap((message) => message.slice(2));
  assertEquals(items, Array.from({ length: 20 }, (_, index) => index));
  assertEquals([sent.at(-1)?.[0], outcomes(sent)[0]?.[1]], [DONE, FAILED]);
});

Deno.test("an error that nobody handled is the only task's, else nobody's", async () => {
  const { run, sent, host } = open({ concurrency: 2 });
  run([0, "waitForSignal", null]);
  host.strike(new RangeError("mine"));
  assertEquals(outcomes(sent).map(([slot, outcome]) => [slot, outcome]), [[0, STRUCK]]);
  host.strike(new RangeError("whose?"));
  assertEquals([sent.at(-1)?.[0], (sent.at(-1)?.[1] as RemoteError).message], [STRAY, "whose?"]);
  await settle();
  assertEquals(outcomes(sent).length, 1, "what it does after that has no effect");
});

Deno.test("a stretch is limited by its own limit, by the deadline where that interrupts", () => {
  const limits: number[] = [];
  const interrupt = (run: () => unknown, ms: number): unknown => {
    limits.push(ms);
    return ms > 1_000 ? INTERRUPTION : run();
  };
  const { run, sent } = open({ interrupts: true, stretchMsMax: 2_000 }, { interrupt });
  run([0, "increment", 1, 0, 50], [1, "increment", 1]);
  assertEquals(limits, [150, 2_000]);
  assertEquals(outcomes(sent), [[0, SUCCEEDED, 2], [1, INTERRUPTED, undefined]]);
});

Deno.test("a child process has its own control block, and CANCEL takes back what has not begun", async () => {
  const { run, sent, host } = open({ control: null });
  run([0, "waitForSignal", null]);
  run([1, "increment", 1]);
  host.receive([CANCEL, 1]);
  host.receive([CANCEL, 0]);
  await settle();
  assertEquals(outcomes(sent), [[0, SUCCEEDED, "too late"], [1, SKIPPED, undefined]]);
  run([1, "increment", 1]);
  assertEquals(outcomes(sent).at(-1), [1, SUCCEEDED, 2]);
});

Deno.test("exec runs a source", () => {
  const { run, sent } = open();
  run([0, EXEC, { source: "(a, b) => a * b", args: [6, 7] }]);
  assertEquals(outcomes(sent), [[0, SUCCEEDED, 42]]);
});

/** Calls for tests of the pool's parts, without a pool. */

import { Ledger } from "../../pool/ledger.ts";
import { Task, type TaskCall } from "../../pool/task.ts";

/** A call and what was heard of it. */
export interface FakeTask {
  readonly task: Task;
  readonly seen: string[];
}

/**
 * Makes a call that nobody runs.
 *
 * @param call what is not as usual
 * @param calledAt when it was made; now unless given
 * @param ledger who keeps its record
 * @param transfer what of its input is given away
 */
export function fakeTask(
  call: Partial<TaskCall> = {},
  calledAt: number = performance.now(),
  ledger: Ledger = new Ledger(),
  transfer: readonly Transferable[] = [],
): FakeTask {
  const seen: string[] = [];
  const whole: TaskCall = {
    name: "task",
    label: "task",
    input: undefined,
    tag: "",
    priority: 0,
    deadlineMs: Infinity,
    credits: 0,
    signal: undefined,
    ...call,
  };
  const sink = {
    succeed: (value: unknown) => seen.push(`succeeded ${value}`),
    fail: (error: unknown) => seen.push(`failed ${error}`),
    items: (items: readonly unknown[]) => seen.push(`items ${items}`),
  };
  const task = new Task(whole, ledger.record(whole.label), transfer, sink, calledAt);
  task.onSettled = () => seen.push("settled");
  return { task, seen };
}

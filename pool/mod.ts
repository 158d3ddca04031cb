/**
 * The compute pool: functions of a module, run in workers on every core, typed end to end and bounded throughout.
 *
 * @module
 */
export * from "./errors.ts";
export { createPool } from "./pool.ts";
export type {
  Distribution,
  Isolation,
  MapOptions,
  Pool,
  PoolOptions,
  PoolSnapshot,
  QueuePolicy,
  RunName,
  RunOptions,
  StopKind,
  StreamName,
  StreamOptions,
  Task,
  TaskArguments,
  TaskContext,
  TaskInput,
  TaskItem,
  TaskOutput,
  TaskParameters,
  TaskStats,
  TaskStream,
  TransferMode,
  WorkerStats,
} from "./pool_contract.ts";

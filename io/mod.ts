/**
 * The io layer: selectors, transports, streams, deadlines and task groups.
 *
 * `openSelector()` gives the thing that waits; `listen` and `connect` give streams on it, in asyncio's words; a `Protocol`
 * gets the bytes themselves.
 *
 * @module
 */
export * from "./breathe.ts";
export * from "./channel.ts";
export * from "./connect.ts";
export { type WaitOptions, withDeadline } from "./deadline.ts";
export * from "./errors.ts";
export * from "./inherited_descriptors.ts";
export * from "./listen.ts";
export * from "./loop_lag.ts";
export * from "./open_selector.ts";
export * from "./selector.ts";
export { CheckedSelector } from "./selectors/checked.ts";
export { EVENT_READ, EVENT_WRITE, type ReadyDescriptor } from "./selectors/epoll_set.ts";
export { PollSet } from "./selectors/poll_set.ts";
export * from "./shared_chunk.ts";
export { adoptStreams, type Streams } from "./stream_protocol.ts";
export { type ReadOptions, type Separator, StreamReader, type StreamReaderOptions } from "./stream_reader.ts";
export { StreamWriter } from "./stream_writer.ts";
export { SystemClock } from "./system_clock.ts";
export * from "./task_group.ts";
export { TimerWheel } from "./timer_wheel.ts";
export { TooManyWaitersError } from "./wait_queue.ts";

/**
 * What the connections of one server share, and what the server knows of each. Types only.
 *
 * @module
 */
import type { Clock, Timers } from "../io/selector.ts";
import type { ResolvedDeadlines } from "./deadlines.ts";
import type { ErrorHandler } from "./error_handler.ts";
import type { Handler } from "./handler.ts";
import type { AddressCounter } from "./address_counter.ts";
import type { MessageLimits } from "./http1/message.ts";
import type { RequestParserOptions } from "./http1/parser.ts";
import type { ResolvedLimits } from "./limits.ts";
import type { PlainHeads } from "./plain_heads.ts";
import type { RequestUrls } from "./request_urls.ts";
import type { ServerClock } from "./server_clock.ts";
import type { CountingStats } from "./server_stats.ts";
import type { WriteBudget } from "./write_budget.ts";

/** What became of the exchanges and connections that were there when the shutdown began. */
export interface ShutdownCounts {
  /** Responses that were completed. */
  finished: number;
  /** Streams that ended when they were told to. */
  ended: number;
  /** Exchanges that were cut because their time was over. */
  cut: number;
  /** Exchanges whose client left meanwhile. */
  left: number;
  /** Connections without a request, closed at once. */
  idle: number;
}

/** One connection, as the server sees it. */
export interface ServerConnection {
  /** The server begins to stop: tells the exchanges. */
  beginDraining(): void;
  /** The server, which stops, has looked for requests that had come: ends the connection if it is idle. */
  endIdle(): void;
  /** Cuts the connection if it is sending a stream (see `BodyProducer.kind`). */
  cutStream(reason: Error): void;
  /** Cuts the connection with all that is on it. */
  cut(reason: Error): void;
}

/** What the connections of one server share. */
export interface ServerContext {
  /** The service. */
  readonly handler: Handler;
  /** Answers and reports what handlers throw. */
  readonly errors: ErrorHandler;
  /** The server's bounds. */
  readonly limits: ResolvedLimits;
  /** Those of them that are the engine's. */
  readonly messageLimits: MessageLimits;
  /** How long to wait. */
  readonly deadlines: ResolvedDeadlines;
  /** What is counted. */
  readonly stats: CountingStats;
  /** The selector's time. */
  readonly clock: Clock;
  /** The selector's deadlines. */
  readonly timers: Timers;
  /** The time, roughly, and the date. */
  readonly time: ServerClock;
  /** Heads of plain text, and of what has no fields. */
  readonly plainHeads: readonly PlainHeads[];
  /** The bound on all bytes that wait. */
  readonly budget: WriteBudget;
  /** Connections that are open. */
  readonly connections: Set<ServerConnection>;
  /** How many of them each address has. */
  readonly addresses: AddressCounter;
  /** What its parsers share. */
  readonly parsing: RequestParserOptions;
  /** Makes the requests' URLs. */
  readonly urls: RequestUrls;
  /** Whether a FIN of the client's leaves its exchanges alone. */
  readonly allowHalfClose: boolean;
  /** What the shutdown counts; `null` before it. */
  draining: ShutdownCounts | null;
  /** Runs when a connection left `connections`. */
  onConnectionGone: (() => void) | null;
}

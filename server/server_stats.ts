/**
 * What a server counts. Plain numbers, so that counting costs an addition and reading costs nothing; `/metrics`
 * renders them.
 *
 * @module
 */

/** Counters of a server: a live view. All only rise, except `connectionsOpen`, `requestsActive` and `streamsOpen`. */
export interface ServerStats {
  /** Connections open now; not those whose PROXY header is due. */
  readonly connectionsOpen: number;
  /** Connections that were opened; where a PROXY header is due, once it has come. */
  readonly connectionsTotal: number;
  /** Connections closed on arrival at `connectionsMax`. */
  readonly connectionsRefused: number;
  /** Connections reset on arrival at `connectionsPerAddressMax`. */
  readonly connectionsRefusedByAddress: number;
  /** Requests whose response is not written to its end. */
  readonly requestsActive: number;
  /** Requests given to the handler. */
  readonly requestsTotal: number;
  /** Responses begun, by their status: index 100 to 599. */
  readonly responsesByStatus: readonly number[];
  /** Streamed response bodies being written now. */
  readonly streamsOpen: number;
  /** Bytes received, heads and framing included. */
  readonly bytesReceived: number;
  /** Bytes written, heads and framing included. */
  readonly bytesSent: number;
  /** Requests whose client left before the response was complete, which is when it is written to its end (`info.completed` tells more). */
  readonly disconnects: number;
  /** Handlers that threw, rejected, or returned what is no response. */
  readonly handlerErrors: number;
  /** Responses whose body failed after their head: the connection was aborted. Those that a limit or a deadline cuts count there. */
  readonly responsesAborted: number;
  /** Connections taken over by handlers. */
  readonly hijacked: number;
  /** Requests refused by the grammar or a limit, by the error's code. */
  readonly peerErrors: Readonly<Record<string, number>>;
  /** Connections that sent no valid PROXY header where one was due (also those that ended or were reset before), or were not trusted to. */
  readonly proxyHeaderErrors: number;
  /** How often each limit of the connection was reached. */
  readonly limitsReached: Readonly<LimitCounters>;
  /** How often each deadline passed. */
  readonly deadlinesPassed: Readonly<DeadlineCounters>;
}

/** One counter per limit that the grammar's errors (`peerErrors`) do not count. */
export interface LimitCounters {
  /** Connections that ended with their last allowed request. */
  requestsPerConnection: number;
  /** Times parsing waited because as many pipelined requests were in progress as may be. */
  pipelinedRequests: number;
  /** Connections closed because more of an unread body followed than is worth reading. */
  unreadBodyBytes: number;
  /** Connections cut because their producer wrote on above the bound. */
  bufferedBytes: number;
  /** Connections cut because the process's bound was reached. */
  bufferedBytesTotal: number;
  /** Lingering closes that ended because the peer went on sending. */
  lingerBytes: number;
  /** Requests answered 503 because the event loop was late. */
  loopLag: number;
}

/** One counter per deadline. */
export interface DeadlineCounters {
  /** `preludeMs`. */
  prelude: number;
  /** `firstByteMs`. */
  firstByte: number;
  /** `headMs`. */
  head: number;
  /** `bodyIdleMs`. */
  bodyIdle: number;
  /** `bodyBytesPerSecondMin`. */
  bodyRate: number;
  /** `handlerMs`. */
  handler: number;
  /** `writeStallMs`. */
  writeStall: number;
  /** `writeBytesPerSecondMin`. */
  writeRate: number;
  /** `keepAliveMs`. */
  keepAlive: number;
  /** `totalMs`. */
  total: number;
  /** `lingerMs`. */
  linger: number;
}

/** The same with leave to count; held by the server's own parts only. */
export type CountingStats =
  & {
    -readonly [
      Name in Exclude<
        keyof ServerStats,
        "limitsReached" | "deadlinesPassed" | "peerErrors" | "responsesByStatus"
      >
    ]: ServerStats[Name];
  }
  & {
    /** See `ServerStats`. */
    readonly responsesByStatus: number[];
    /** See `ServerStats`. */
    readonly peerErrors: Record<string, number>;
    /** See `ServerStats`. */
    readonly limitsReached: LimitCounters;
    /** See `ServerStats`. */
    readonly deadlinesPassed: DeadlineCounters;
  };

/** Makes counters that stand at zero. */
export function createServerStats(): CountingStats {
  return {
    connectionsOpen: 0,
    connectionsTotal: 0,
    connectionsRefused: 0,
    connectionsRefusedByAddress: 0,
    requestsActive: 0,
    requestsTotal: 0,
    responsesByStatus: new Array(600).fill(0),
    streamsOpen: 0,
    bytesReceived: 0,
    bytesSent: 0,
    disconnects: 0,
    handlerErrors: 0,
    responsesAborted: 0,
    hijacked: 0,
    peerErrors: {},
    proxyHeaderErrors: 0,
    limitsReached: {
      requestsPerConnection: 0,
      pipelinedRequests: 0,
      unreadBodyBytes: 0,
      bufferedBytes: 0,
      bufferedBytesTotal: 0,
      lingerBytes: 0,
      loopLag: 0,
    },
    deadlinesPassed: {
      prelude: 0,
      firstByte: 0,
      head: 0,
      bodyIdle: 0,
      bodyRate: 0,
      handler: 0,
      writeStall: 0,
      writeRate: 0,
      keepAlive: 0,
      total: 0,
      linger: 0,
    },
  };
}

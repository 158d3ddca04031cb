/**
 * The io layer's errors: one class per condition, each with a stable `code`, its data as fields, and the runtime's own
 * error as `cause`. A selector translates what its runtime throws into these, so that callers never look at
 * `ECONNRESET` or `Deno.errors.*`.
 *
 * @module
 */

/** Base of every error Sluice makes: `code` is stable across versions and runtimes, `message` is for people. */
export class SluiceError extends Error {
  /** Stable identifier, `SLUICE_…`. */
  readonly code: string;
  /** Makes an error; `options.cause` is kept. */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** Base of what can go wrong with one connection. */
export class ConnectionError extends SluiceError {}

/** The peer reset the connection (ECONNRESET, EPIPE). */
export class ConnectionResetError extends ConnectionError {
  /** Makes the error. @param doing what was being done, as in "Cannot read" */
  constructor(doing = "Cannot go on", options?: ErrorOptions) {
    super("SLUICE_CONNECTION_RESET", `${doing}: the peer reset the connection`, options);
  }
}

/** The connection was closed by our own `abort()`. */
export class ConnectionAbortedError extends ConnectionError {
  /** Makes the error. @param why the reason, as in "a deadline passed" */
  constructor(why = "it was aborted on this side", options?: ErrorOptions) {
    super("SLUICE_CONNECTION_ABORTED", `Cannot go on with the connection: ${why}`, options);
  }
}

/** The selector is closed: it listens, connects and goes on with nothing. */
export class SelectorClosedError extends ConnectionError {
  /** Makes the error. @param doing what was asked, as in "Cannot listen" */
  constructor(doing: string, options?: ErrorOptions) {
    super("SLUICE_SELECTOR_CLOSED", `${doing}: the selector is closed`, options);
  }
}

/** The connection is closed, so what was asked can no longer be done. */
export class ConnectionClosedError extends ConnectionError {
  /** Makes the error. @param doing what was asked, as in "Cannot drain" */
  constructor(doing = "Cannot go on", options?: ErrorOptions) {
    super("SLUICE_CONNECTION_CLOSED", `${doing}: the connection is closed`, options);
  }
}

/** Nobody listens at the address (ECONNREFUSED, ENOENT of a Unix socket). */
export class ConnectionRefusedError extends ConnectionError {
  /** The address that was tried. */
  readonly address: string;
  /** Makes the error. @param address the address that was tried */
  constructor(address: string, options?: ErrorOptions) {
    super("SLUICE_CONNECTION_REFUSED", `Cannot connect to ${address}: nobody listens there`, options);
    this.address = address;
  }
}

/** The address cannot be reached: name not known, no route, network down, the system's own time-out. */
export class UnreachableError extends ConnectionError {
  /** The address that was tried. */
  readonly address: string;
  /** Makes the error. @param address the address that was tried @param why the system's reason */
  constructor(address: string, why: string, options?: ErrorOptions) {
    super("SLUICE_UNREACHABLE", `Cannot connect to ${address}: ${why}`, options);
    this.address = address;
  }
}

/** `write` after the caller's own `closeWrite()`. */
export class WriteAfterEndError extends ConnectionError {
  /** Takes no detail. */
  constructor() {
    super("SLUICE_WRITE_AFTER_END", "Cannot write: closeWrite() was called before");
  }
}

/** Somebody else listens at the address (EADDRINUSE). */
export class AddressInUseError extends SluiceError {
  /** The address that was asked for. */
  readonly address: string;
  /** Makes the error. @param address the address that was asked for */
  constructor(address: string, options?: ErrorOptions) {
    super("SLUICE_ADDRESS_IN_USE", `Cannot listen on ${address}: it is in use`, options);
    this.address = address;
  }
}

/** The address is not one of this machine's, or is malformed (EADDRNOTAVAIL, EINVAL). */
export class AddressNotAvailableError extends SluiceError {
  /** The address that was asked for. */
  readonly address: string;
  /** Makes the error. @param address the address that was asked for @param why the system's reason */
  constructor(address: string, why: string, options?: ErrorOptions) {
    super("SLUICE_ADDRESS_NOT_AVAILABLE", `Cannot listen on ${address}: ${why}`, options);
    this.address = address;
  }
}

/** The system or the runtime's permissions refuse it (EACCES, EPERM, `Deno.errors.NotCapable`). */
export class AccessDeniedError extends SluiceError {
  /** Makes the error. @param doing what was asked, as in "Cannot listen on 0.0.0.0:80" @param why the refusal, with the permission that is missing if known */
  constructor(doing: string, why: string, options?: ErrorOptions) {
    super("SLUICE_ACCESS_DENIED", `${doing}: ${why}`, options);
  }
}

/** A limit of the system was hit: descriptors, memory, buffers (EMFILE, ENFILE, ENOMEM, ENOBUFS). */
export class ResourceExhaustedError extends SluiceError {
  /** Makes the error. @param doing what was asked @param why which resource */
  constructor(doing: string, why: string, options?: ErrorOptions) {
    super("SLUICE_RESOURCE_EXHAUSTED", `${doing}: ${why}`, options);
  }
}

/** This runtime, system or build cannot do what was asked. */
export class UnsupportedError extends SluiceError {
  /** Makes the error. @param doing what was asked @param why what is missing, and what would help */
  constructor(doing: string, why: string, options?: ErrorOptions) {
    super("SLUICE_UNSUPPORTED", `${doing}: ${why}`, options);
  }
}

/** A deadline passed. */
export class DeadlineExceededError extends SluiceError {
  /** How long was waited, milliseconds. */
  readonly timeoutMs: number;
  /** Makes the error. @param doing what was waited for, as in "Cannot connect" @param timeoutMs how long was waited */
  constructor(doing: string, timeoutMs: number, options?: ErrorOptions) {
    super("SLUICE_DEADLINE_EXCEEDED", `${doing}: not done within ${timeoutMs} ms`, options);
    this.timeoutMs = timeoutMs;
  }
}

/** The stream ended before as many bytes came as were asked for (asyncio's `IncompleteReadError`). */
export class IncompleteReadError extends SluiceError {
  /** What came before the end; it is consumed. */
  readonly partial: Uint8Array;
  /** How many bytes were asked for; `null` when reading up to a delimiter. */
  readonly expected: number | null;
  /** Makes the error. @param partial what came @param expected how many were asked for */
  constructor(partial: Uint8Array, expected: number | null, options?: ErrorOptions) {
    super(
      "SLUICE_INCOMPLETE_READ",
      `Cannot read ${
        expected === null ? "up to the delimiter" : `${expected} bytes`
      }: the stream ended after ${partial.length}`,
      options,
    );
    this.partial = partial;
    this.expected = expected;
  }
}

/** No delimiter within the reader's limit (asyncio's `LimitOverrunError`); the bytes stay in the reader. */
export class LimitOverrunError extends SluiceError {
  /** Bytes that can be consumed without missing a delimiter. */
  readonly consumed: number;
  /** The limit, bytes. */
  readonly limit: number;
  /**
   * Makes the error.
   *
   * @param consumed bytes that can be consumed without missing a delimiter
   * @param limit the limit, bytes
   * @param doing what was looked for, as in "Cannot find the delimiter"
   */
  constructor(consumed: number, limit: number, doing = "Cannot find the delimiter") {
    super("SLUICE_LIMIT_OVERRUN", `${doing}: not within the limit of ${limit} bytes`);
    this.consumed = consumed;
    this.limit = limit;
  }
}

/** A second read while one is waiting on the same reader. */
export class ConcurrentReadError extends SluiceError {
  /** Makes the error. @param doing the method that was called second */
  constructor(doing: string) {
    super("SLUICE_CONCURRENT_READ", `Cannot ${doing}: another read of this stream is waiting`);
  }
}

/** The call grammar of the io contracts was broken (thrown by the checking wrapper). */
export class ContractError extends SluiceError {
  /** Makes the error. @param what which rule was broken, by whom */
  constructor(what: string) {
    super("SLUICE_CONTRACT", `Contract broken: ${what}`);
  }
}

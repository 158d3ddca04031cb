/**
 * What can go wrong between the gateway and its upstream: one class per condition, each with the status that tells the
 * client about it, and the kind under which it is counted.
 *
 * The status is only of use while no response head went out. After that the client's connection is aborted instead.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";

/** Under which name a failure is counted in `GatewayStats.upstreamErrors`. */
export type UpstreamErrorKind =
  | "refused"
  | "unreachable"
  | "timeout_connect"
  | "timeout_head"
  | "timeout_body"
  | "closed"
  | "protocol"
  | "head_too_large"
  | "busy";

/** Base of the gateway's errors about its upstream. */
export class UpstreamError extends SluiceError {
  /** Under which name it is counted. */
  readonly kind: UpstreamErrorKind;
  /** Status of the response that tells the client: 502, 503 or 504. */
  readonly status: number;
  /**
   * Makes the error.
   *
   * @param kind under which name it is counted
   * @param status status of the response that tells the client
   * @param code stable identifier
   * @param message for people
   */
  constructor(
    kind: UpstreamErrorKind,
    status: number,
    code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.kind = kind;
    this.status = status;
  }
}

/** Nobody listens at the upstream's address: 502. */
export class UpstreamRefusedError extends UpstreamError {
  /**
   * Makes the error.
   *
   * @param upstream the upstream's name, as in its URL
   */
  constructor(upstream: string, options?: ErrorOptions) {
    super(
      "refused",
      502,
      "SLUICE_UPSTREAM_REFUSED",
      `Cannot reach ${upstream}: nobody listens there`,
      options,
    );
  }
}

/** The upstream's address cannot be reached (name not known, no route, no permission, no descriptor): 502. */
export class UpstreamUnreachableError extends UpstreamError {
  /**
   * Makes the error.
   *
   * @param upstream the upstream's name
   * @param why the system's reason
   */
  constructor(upstream: string, why: string, options?: ErrorOptions) {
    super("unreachable", 502, "SLUICE_UPSTREAM_UNREACHABLE", `Cannot reach ${upstream}: ${why}`, options);
  }
}

/** What an upstream was too slow for. */
export type UpstreamPhase = "connect" | "head" | "body";

/** A deadline towards the upstream passed: 504 (while there is no response head yet). */
export class UpstreamTimeoutError extends UpstreamError {
  /** What the upstream was too slow for. */
  readonly phase: UpstreamPhase;
  /** How long was waited, milliseconds. */
  readonly timeoutMs: number;
  /**
   * Makes the error.
   *
   * @param upstream the upstream's name
   * @param phase what it was too slow for
   * @param timeoutMs how long was waited
   */
  constructor(upstream: string, phase: UpstreamPhase, timeoutMs: number, options?: ErrorOptions) {
    const what = {
      connect: "connect to",
      head: "get a response head from",
      body: "get the rest of the body from",
    };
    super(
      `timeout_${phase}`,
      504,
      `SLUICE_UPSTREAM_TIMEOUT_${phase.toUpperCase()}`,
      `Cannot ${what[phase]} ${upstream}: nothing came for ${timeoutMs} ms`,
      options,
    );
    this.phase = phase;
    this.timeoutMs = timeoutMs;
  }
}

/** The upstream closed or reset the connection before its response was complete: 502. */
export class UpstreamClosedError extends UpstreamError {
  /** Whether any byte of the response had come. */
  readonly isAnswered: boolean;
  /**
   * Makes the error.
   *
   * @param upstream the upstream's name
   * @param isAnswered whether any byte of the response had come
   */
  constructor(upstream: string, isAnswered: boolean, options?: ErrorOptions) {
    super(
      "closed",
      502,
      "SLUICE_UPSTREAM_CLOSED",
      `Cannot complete the response: ${upstream} closed the connection ${
        isAnswered ? "in the middle of it" : "without an answer"
      }`,
      options,
    );
    this.isAnswered = isAnswered;
  }
}

/** The upstream's bytes are not HTTP/1.1, or not a response to what was asked: 502. */
export class UpstreamProtocolError extends UpstreamError {
  /**
   * Makes the error.
   *
   * @param upstream the upstream's name
   * @param what which rule it broke
   */
  constructor(upstream: string, what: string, options?: ErrorOptions) {
    super(
      "protocol",
      502,
      "SLUICE_UPSTREAM_PROTOCOL",
      `Cannot understand the response of ${upstream}: ${what}`,
      options,
    );
  }
}

/** The upstream's response head is above the limits: 502. */
export class UpstreamHeadTooLargeError extends UpstreamError {
  /**
   * Makes the error.
   *
   * @param upstream the upstream's name
   * @param what which limit
   */
  constructor(upstream: string, what: string, options?: ErrorOptions) {
    super(
      "head_too_large",
      502,
      "SLUICE_UPSTREAM_HEAD_TOO_LARGE",
      `Cannot take the response head of ${upstream}: ${what}`,
      options,
    );
  }
}

/** All connections to the upstream are in use and no more requests may wait, or one waited too long: 503. */
export class UpstreamBusyError extends UpstreamError {
  /** After how many seconds the client may try again (`Retry-After`). */
  readonly retryAfterS: number;
  /**
   * Makes the error.
   *
   * @param upstream the upstream's name
   * @param why which bound was reached
   * @param retryAfterS when to try again, seconds
   */
  constructor(upstream: string, why: string, retryAfterS: number) {
    super("busy", 503, "SLUICE_UPSTREAM_BUSY", `Cannot reach ${upstream} now: ${why}`);
    this.retryAfterS = retryAfterS;
  }
}

/** The client left, so that nobody wants the response any more. */
export class ClientGoneError extends SluiceError {
  /** Takes the reason as `cause`. */
  constructor(options?: ErrorOptions) {
    super("SLUICE_CLIENT_GONE", "Cannot deliver the response: the client is gone", options);
  }
}

/** The gateway was closed. */
export class GatewayClosedError extends SluiceError {
  /** Takes no detail. */
  constructor() {
    super("SLUICE_GATEWAY_CLOSED", "Cannot forward the request: the gateway is closed");
  }
}

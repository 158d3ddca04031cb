/**
 * What can go wrong with a response by the fault of the handler or its body, once the response is being sent.
 *
 * @module
 */
import { SluiceError } from "../io/errors.ts";

/** A body had more or fewer bytes than its `Content-Length` promised; the connection was aborted. */
export class BodyLengthError extends SluiceError {
  /** Bytes that were promised. */
  readonly expected: number;
  /** Bytes that came, or would have with the last write. */
  readonly actual: number;
  /** Makes the error. @param expected bytes that were promised @param actual bytes that came */
  constructor(expected: number, actual: number) {
    super(
      "SLUICE_BODY_LENGTH",
      `Cannot complete the response: its Content-Length is ${expected}, its body ${
        actual > expected ? "longer" : `${actual} bytes`
      }`,
    );
    this.expected = expected;
    this.actual = actual;
  }
}

/** A producer went on writing although it was paused, above `limits.bufferedBytesMax`; the connection was aborted. */
export class BodyOverrunError extends SluiceError {
  /** Bytes that wait for the reader. */
  readonly bufferedBytes: number;
  /** Makes the error. @param bufferedBytes bytes that wait for the reader */
  constructor(bufferedBytes: number) {
    super(
      "SLUICE_BODY_OVERRUN",
      `Cannot hold more of the response: ${bufferedBytes} bytes wait for a slow reader and its producer does not pause`,
    );
    this.bufferedBytes = bufferedBytes;
  }
}

/** An interim response with early hints cannot be sent; nothing of it was. The final response is not concerned. */
export class EarlyHintsError extends SluiceError {
  /** Makes the error. @param why the reason, as in "the response was returned before" */
  constructor(why: string, options?: ErrorOptions) {
    super("SLUICE_EARLY_HINTS", `Cannot send early hints: ${why}`, options);
  }
}

/** The server stopped before the response was complete. */
export class ServerStoppedError extends SluiceError {
  /** Takes no detail. */
  constructor() {
    super(
      "SLUICE_SERVER_STOPPED",
      "Cannot complete the response: the server stopped and its grace period is over",
    );
  }
}

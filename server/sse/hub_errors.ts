/**
 * What an event hub refuses, one class per reason, each with the HTTP status that tells a client.
 *
 * @module
 */
import { ConnectionError, SluiceError } from "../../io/errors.ts";

/** Base of what an event hub refuses. */
export class HubError extends SluiceError {
  /** HTTP status for whoever asked: 400 when the request is at fault, 413, 429 or 503 when a limit is reached. */
  readonly status: number;
  /** Makes the error. @param code stable identifier @param status HTTP status @param message for people */
  constructor(code: string, status: number, message: string) {
    super(code, message);
    this.status = status;
  }
}

/** A topic's name is not 1 to 200 of the characters allowed. */
export class TopicNameError extends HubError {
  /** The name, cut to 200 characters. */
  readonly topic: string;
  /** Makes the error. @param topic the name that was given */
  constructor(topic: string) {
    const shown = topic.slice(0, 200);
    super(
      "SLUICE_TOPIC_NAME",
      400,
      `Cannot use ${
        JSON.stringify(shown)
      } as a topic: a name is 1 to 200 of A-Z a-z 0-9 . _ ~ : / @ + = , - and begins with a letter or digit`,
    );
    this.topic = shown;
  }
}

/** Which of a hub's limits was reached. */
export type HubLimit = "readers" | "topicReaders" | "addressReaders" | "topics" | "eventBytes" | "publishes";

/** Code, status and words of each limit. */
const LIMITS: Readonly<Record<HubLimit, readonly [code: string, status: number, what: string]>> = {
  readers: ["SLUICE_HUB_READERS", 503, "Cannot subscribe: the hub has its most readers"],
  topicReaders: ["SLUICE_HUB_TOPIC_READERS", 503, "Cannot subscribe: the topic has its most readers"],
  addressReaders: ["SLUICE_HUB_ADDRESS_READERS", 429, "Cannot subscribe: the address has its most readers"],
  topics: ["SLUICE_HUB_TOPICS", 503, "Cannot subscribe: the hub has its most topics with readers"],
  eventBytes: ["SLUICE_HUB_EVENT_BYTES", 413, "Cannot publish: the event is larger than allowed, in bytes"],
  publishes: ["SLUICE_HUB_PUBLISHES", 503, "Cannot publish: the log has not answered the most there may be"],
};

/** A limit of the hub is reached. */
export class HubLimitError extends HubError {
  /** Which one. */
  readonly limit: HubLimit;
  /** Its value. */
  readonly max: number;
  /** Makes the error. @param limit which one @param max its value */
  constructor(limit: HubLimit, max: number) {
    const [code, status, what] = LIMITS[limit];
    super(code, status, `${what} (${max})`);
    this.limit = limit;
    this.max = max;
  }
}

/** The hub was closed. */
export class HubClosedError extends HubError {
  /** Makes the error. @param doing what was asked, as in "Cannot publish" */
  constructor(doing: string) {
    super("SLUICE_HUB_CLOSED", 503, `${doing}: the hub is closed`);
  }
}

/** A reader was cut because it did not take what waited for it while too much was published. */
export class SlowReaderError extends ConnectionError {
  /** What waited for it, bytes. */
  readonly bufferedBytes: number;
  /** What was published since it was last given something, bytes. */
  readonly lagBytes: number;
  /** Makes the error. @param bufferedBytes what waited for it @param lagBytes what was published meanwhile */
  constructor(bufferedBytes: number, lagBytes: number) {
    super(
      "SLUICE_SLOW_READER",
      `Cannot go on with an event stream: its reader did not take the ${bufferedBytes} bytes that wait while ${lagBytes} more were published`,
    );
    this.bufferedBytes = bufferedBytes;
    this.lagBytes = lagBytes;
  }
}

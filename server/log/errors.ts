/**
 * What an event log refuses, one class per reason.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";

/** Base of what an event log refuses. */
export class EventLogError extends SluiceError {}

/** An entry is larger than the log keeps of a whole topic. */
export class LogEntryTooLargeError extends EventLogError {
  /** What the entry counts for, bytes. */
  readonly bytes: number;
  /** What the log keeps of a topic at most, bytes. */
  readonly bytesMax: number;
  /** Makes the error. @param bytes what the entry counts for @param bytesMax what the log keeps of a topic, bytes */
  constructor(bytes: number, bytesMax: number) {
    super(
      "SLUICE_LOG_ENTRY_TOO_LARGE",
      `Cannot append: the entry counts for ${bytes} bytes, a topic keeps ${bytesMax}`,
    );
    this.bytes = bytes;
    this.bytesMax = bytesMax;
  }
}

/** An entry that is kept has the same key. */
export class LogKeyTakenError extends EventLogError {
  /** The topic. */
  readonly topic: string;
  /** The key. */
  readonly key: string;
  /** Makes the error. @param topic the topic @param key the key that is taken */
  constructor(topic: string, key: string) {
    super(
      "SLUICE_LOG_KEY_TAKEN",
      `Cannot append to ${JSON.stringify(topic)}: an entry has the id ${JSON.stringify(key)} already`,
    );
    this.topic = topic;
    this.key = key;
  }
}

/** The log was closed. */
export class LogClosedError extends EventLogError {
  /** Makes the error. @param doing what was asked, as in "Cannot append" */
  constructor(doing: string) {
    super("SLUICE_LOG_CLOSED", `${doing}: the event log is closed`);
  }
}

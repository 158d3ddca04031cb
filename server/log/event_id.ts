/**
 * Ids of events, `epoch.offset`: they tell a restart, a trimmed log and the wrong node apart.
 *
 * An epoch is `run` or `node~run`. The run is random: a log that lost its entries takes a new one. The node is a name that
 * the operator gives to a machine; where there is just one, it is left out, and every other epoch means a restart.
 *
 * Every event carries its id to every reader, so ids are short: a run of eight characters keeps 40 bits, enough
 * for 10,000 restarts of one node to collide with a chance of one in 20,000.
 *
 * @module
 */
import type { LogGap } from "./event_log.ts";

/** Names of nodes: what is safe in a header, a URL and a file name; 32 characters, because every id carries it. */
const NODE = /^[A-Za-z0-9_-]{1,32}$/;
/** An id: epoch, dot, offset without leading zeros and short enough to be a safe integer. */
const EVENT_ID = /^((?:([A-Za-z0-9_-]{1,32})~)?[a-z0-9]{8})\.(0|[1-9][0-9]{0,15})$/;
/** A publisher's own id: what every client and proxy sends back unchanged in a header; 128 characters, four times a UUID. */
const EVENT_KEY = /^[\x21-\x7e]{1,128}$/;
/** Characters of a run: 32, so that five random bits make one without a bias; none that people mix up. */
const RUN_CHARACTERS = "0123456789abcdefghjkmnpqrstvwxyz";

/** An id taken apart. */
export interface EventId {
  /** The epoch, node included. */
  readonly epoch: string;
  /** The node's name; empty when it has none. */
  readonly node: string;
  /** The place in the log; 0 for the very beginning. */
  readonly offset: number;
}

/**
 * Makes a new epoch.
 *
 * @param node the machine's name: 1 to 32 of `A-Z a-z 0-9 _ -`, or empty for none
 * @throws TypeError for any other name
 */
export function newEpoch(node = ""): string {
  if (node !== "" && !NODE.test(node)) {
    throw new TypeError(
      `Cannot make an epoch: a node's name is 1 to 32 of A-Z a-z 0-9 _ -, not ${JSON.stringify(node)}`,
    );
  }
  let run = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(8))) run += RUN_CHARACTERS[byte % 32];
  return node === "" ? run : `${node}~${run}`;
}

/**
 * Writes an id.
 *
 * @param epoch as of `newEpoch`
 * @param offset a whole number from 0 on
 */
export function formatEventId(epoch: string, offset: number): string {
  return `${epoch}.${offset}`;
}

/**
 * Reads an id.
 *
 * @param id any text
 * @returns its parts, or `null` if no log wrote it
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseEventId } from "@sluice/kit/server";
 *
 * assertEquals(parseEventId("web-1~0c8kq2mz.17"), { epoch: "web-1~0c8kq2mz", node: "web-1", offset: 17 });
 * assertEquals(parseEventId("17"), null);
 * ```
 */
export function parseEventId(id: string): EventId | null {
  const match = EVENT_ID.exec(id);
  if (match === null) return null;
  const offset = Number(match[3]);
  return Number.isSafeInteger(offset) ? { epoch: match[1]!, node: match[2] ?? "", offset } : null;
}

/**
 * Checks a publisher's own id of an event: 1 to 128 printable ASCII characters without a space, not in the form of a
 * log's id, so that an id never has two meanings.
 *
 * @param key what a publisher wants to use
 * @throws TypeError when it may not be used
 */
export function checkEventKey(key: string): void {
  if (!EVENT_KEY.test(key)) {
    const shown = JSON.stringify(key.slice(0, 200));
    throw new TypeError(
      `Cannot use ${shown} as an event's id: it must be 1 to 128 printable ASCII characters`,
    );
  }
  if (EVENT_ID.test(key)) {
    throw new TypeError(`Cannot use "${key}" as an event's id: it has the form of the log's own ids`);
  }
}

/**
 * Says what it means that an id's epoch is not the log's own.
 *
 * @param id the id that a reader brought
 * @param epoch the log's own
 * @returns `"restart"` for another run of the same node, else `"wrong_node"`; `null` when the epochs are the same
 */
export function epochGap(id: EventId, epoch: string): LogGap | null {
  if (id.epoch === epoch) return null;
  const tilde = epoch.indexOf("~");
  return id.node === (tilde < 0 ? "" : epoch.slice(0, tilde)) ? "restart" : "wrong_node";
}

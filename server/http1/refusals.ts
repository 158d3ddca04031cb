/**
 * What the engine refuses and why, as data: one row per rule, with its section, the status a server answers and
 * examples. The parser refers to rows by id, the tests feed every example, and docs/http1-strictness.md is made of it.
 *
 * Where an RFC lets a recipient be lenient ("MAY", "SHOULD be tolerant"), the lenient reading is what request
 * smuggling lives on, since two parsers in a row must be lenient in the same way. So the strict reading is taken, but for
 * what stands in `LENIENCIES`.
 *
 * @module
 */

import { FIELD_LINE_REFUSALS, START_LINE_REFUSALS } from "./refusals_of_lines.ts";
import { CHUNK_REFUSALS, MEANING_REFUSALS } from "./refusals_of_messages.ts";

/** One rule of the grammar or one limit, and the answer to whoever breaks it. */
export interface Refusal {
  /** Stable name; the error's code is `SLUICE_HTTP_` and this in capitals. */
  readonly id: string;
  /** Where the rule is from. */
  readonly section: string;
  /** What is refused, as the end of "Cannot accept the message: …". */
  readonly rule: string;
  /** Status a server answers with; a gateway answers 502 when a response broke the rule. */
  readonly status: number;
  /** Which messages the examples are. */
  readonly role: "request" | "response";
  /** Messages refused by this rule; `{n}` stands for n times the letter `a` (limits). One code unit per byte. */
  readonly examples: readonly string[];
}

/** Every rule there is. */
export const REFUSALS = [
  ...START_LINE_REFUSALS,
  ...FIELD_LINE_REFUSALS,
  ...MEANING_REFUSALS,
  ...CHUNK_REFUSALS,
] as const;

/** The name of a rule. */
export type RefusalId = typeof REFUSALS[number]["id"];

/** Rows by id. */
export const REFUSAL_BY_ID: ReadonlyMap<RefusalId, Refusal> = new Map(REFUSALS.map((row) => [row.id, row]));

/**
 * The header fields of a reply as it was given them: checked and copied once, so that a mistake is thrown where it was
 * made, and nothing the caller does to its object later changes what is sent.
 *
 * @module
 */

/** One field line. */
export type FieldLine = readonly [name: string, value: string];

/** A field name (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** A field value (RFC 9110 §5.5): HTAB, SP, VCHAR and obs-text, with no blank at either end. */
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** Blanks around a value are no part of it (Fetch standard, "normalize"). */
const BLANKS_AROUND = /^[\t\n\r ]+|[\t\n\r ]+$/g;

/**
 * Copies what `new Headers(init)` would take. Names go to lower case; repeated ones stay apart.
 *
 * @param init an iterable of pairs (a `Headers`, a `Map`, an array) or a record
 * @param contentType the default for when `init` has no content type; `null` for none
 * @throws {TypeError} a name or value no message may carry, or no pairs
 */
export function copyFields(init: HeadersInit | undefined, contentType: string | null): readonly FieldLine[] {
  const lines: FieldLine[] = [];
  let hasType = contentType === null;
  if (init !== undefined && init !== null) {
    if (typeof init !== "object") {
      throw new TypeError("Cannot read the headers: they are neither an object nor iterable");
    }
    const pairs: Iterable<unknown> = Symbol.iterator in init ? init : Object.entries(init);
    for (const pair of pairs) {
      const line = copyLine(pair);
      hasType ||= line[0] === "content-type";
      lines.push(line);
    }
  }
  if (!hasType) lines.push(["content-type", contentType!]);
  return lines;
}

function copyLine(pair: unknown): FieldLine {
  const line = Array.isArray(pair) ? pair : toArray(pair);
  if (line.length !== 2) {
    throw new TypeError("Cannot read the headers: an entry is no pair of name and value");
  }
  const name = String(line[0]);
  const value = String(line[1]);
  if (!TOKEN.test(name)) {
    throw new TypeError(`Cannot set the header ${JSON.stringify(name)}: its name is no token`);
  }
  return [name.toLowerCase(), VALUE.test(value) ? value : trimmed(name, value)];
}

function toArray(pair: unknown): unknown[] {
  if (typeof pair === "object" && pair !== null && Symbol.iterator in pair) {
    return [...pair as Iterable<unknown>];
  }
  throw new TypeError("Cannot read the headers: an entry is no pair of name and value");
}

function trimmed(name: string, value: string): string {
  const text = value.replace(BLANKS_AROUND, "");
  if (VALUE.test(text)) return text;
  throw new TypeError(`Cannot set the header ${name}: its value has a character no header may carry`);
}

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

/** A field value (RFC 9110 §5.5): HTAB, SP, VCHAR and obs-text. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Blanks around a value are no part of it (Fetch standard, "normalize"). */
const BLANKS_AROUND = /^[\t\n\r ]+|[\t\n\r ]+$/g;

/**
 * Copies what `new Headers(init)` would take. Names go to lower case; repeated ones stay apart.
 *
 * @param init an iterable of pairs (a `Headers`, a `Map`, an array) or a record
 * @param contentType the default for when `init` has no content type; `null` for none
 * @throws {TypeError} a name or value no message may carry, or no pairs
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { copyFields } from "./reply_fields.ts";
 *
 * assertEquals(copyFields({ "X-A": " 1 " }, "text/html"), [["x-a", "1"], ["content-type", "text/html"]]);
 * ```
 */
export function copyFields(init: HeadersInit | undefined, contentType: string | null): readonly FieldLine[] {
  const lines: FieldLine[] = [];
  if (init !== undefined && init !== null) copyInto(lines, init);
  if (contentType !== null && !lines.some(isContentType)) lines.push(["content-type", contentType]);
  return lines;
}

function copyInto(lines: FieldLine[], init: HeadersInit): void {
  if (typeof init !== "object") {
    throw new TypeError("Cannot read the headers: they are neither an object nor iterable");
  }
  if (Symbol.iterator in init) {
    for (const pair of init as Iterable<unknown>) lines.push(copyPair(pair));
    return;
  }
  for (const name in init) {
    if (Object.hasOwn(init, name)) lines.push(copyLine(name, init[name]));
  }
}

function copyPair(pair: unknown): FieldLine {
  if (typeof pair === "object" && pair !== null && Symbol.iterator in pair) {
    const entry = Array.isArray(pair) ? pair : [...pair as Iterable<unknown>];
    if (entry.length === 2) return copyLine(String(entry[0]), entry[1]);
  }
  throw new TypeError("Cannot read the headers: an entry is no pair of name and value");
}

function copyLine(name: string, value: unknown): FieldLine {
  if (!TOKEN.test(name)) {
    throw new TypeError(`Cannot set the header ${JSON.stringify(name)}: its name is no token`);
  }
  let text = String(value);
  if (isBlank(text.charCodeAt(0)) || isBlank(text.charCodeAt(text.length - 1))) {
    text = text.replace(BLANKS_AROUND, "");
  }
  if (VALUE.test(text)) return [name.toLowerCase(), text];
  throw new TypeError(`Cannot set the header ${name}: its value has a character no header may carry`);
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09 || unit === 0x0a || unit === 0x0d;
}

function isContentType(line: FieldLine): boolean {
  return line[0] === "content-type";
}

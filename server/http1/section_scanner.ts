/**
 * Finds the lines of a head or of a trailer section, once over the bytes, stopping and going on at any byte.
 *
 * Strategy: each part of a line is one loop over a byte class. What was found is kept as offsets from the section's first
 * byte, so it holds wherever the bytes are: a section that is complete in the bytes given is read in place, and only
 * one that is not is copied, into a buffer bounded by the limits. No byte is looked at twice, so feeding byte by
 * byte costs as much as the bytes (times one call).
 *
 * Invariant: what is reported does not depend on how the bytes were split. Therefore each scan stops at the limit, and a
 * limit is reported at the byte that passes it, before any later error.
 *
 * @module
 */
import { COLON, CR, FIELD_VALUE, HTAB, LF, SP, TOKEN_LOWER } from "./grammar.ts";
import type { RefusalId } from "./refusals.ts";

/** All bytes were read, and the section goes on. */
export const MORE = -1;
/** The bytes break a rule: see `refusal`. */
export const REFUSED = -2;

/** Numbers kept for each field line: name start and end, value start and end. */
export const OFFSETS_PER_FIELD = 4;

/** States below this one are the start line's. */
export const AT_LINE = 8;
const IN_NAME = 9;
const BEFORE_VALUE = 10;
const IN_VALUE = 11;
const AT_LINE_LF = 12;
const AT_LAST_LF = 13;

/** First size of the buffer for a section that came in parts: most heads fit. */
const BUFFER_BYTES_FIRST = 512;

/** Beyond this many offsets the array is given up after use, so that one large head does not cost memory for ever. */
const OFFSETS_KEPT_MAX = 32 * OFFSETS_PER_FIELD;

const NO_BYTES = new Uint8Array(0);

/** The field lines' part; the start lines are its subclasses'. */
export class SectionScanner {
  /** Where the section is, once read: valid until the next `read` or `reset`. */
  source: Uint8Array = NO_BYTES;
  /** Index of the section's first byte in `source`. */
  base = 0;
  /** Four offsets from `base` per field line. */
  offsets: number[] = [];
  /** Field lines found. */
  count = 0;
  /** Bytes of the section seen. */
  scanned = 0;
  /** Why it was refused. */
  refusal: RefusalId | null = null;
  /** Where in a line the scan is. */
  protected state: number;
  /** Offset of the first field line. */
  protected fieldsStart = 0;

  readonly #stateFirst: number;
  readonly #fieldBytesMax: number;
  readonly #fieldsMax: number;
  readonly #tooLarge: RefusalId;
  readonly #tooMany: RefusalId;
  /** Bytes of earlier parts. */
  #buffer: Uint8Array = NO_BYTES;
  #buffered = 0;

  /**
   * @param stateFirst where a section begins: the start line's first state, or `AT_LINE`
   * @param fieldBytesMax bytes of all field lines
   * @param fieldsMax field lines
   * @param tooLarge what more bytes are refused with
   * @param tooMany what more lines are refused with
   */
  constructor(
    stateFirst: number,
    fieldBytesMax: number,
    fieldsMax: number,
    tooLarge: RefusalId,
    tooMany: RefusalId,
  ) {
    this.#stateFirst = stateFirst;
    this.#fieldBytesMax = fieldBytesMax;
    this.#fieldsMax = fieldsMax;
    this.#tooLarge = tooLarge;
    this.#tooMany = tooMany;
    this.state = stateFirst;
  }

  /**
   * Goes on with `bytes` from `start` to `end`.
   *
   * @returns the index after the section when it is complete (`source`, `base`, `offsets` and `count` are then valid),
   * `MORE` when all bytes were taken, `REFUSED` when a rule was broken
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    const origin = start - this.scanned;
    let at = start;
    if (this.state < AT_LINE) {
      at = this.scanStartLine(bytes, at, end, origin);
      if (at === REFUSED) return REFUSED;
    }
    const after = this.state < AT_LINE ? MORE : this.#scanFields(bytes, at, end, origin);
    if (after === MORE) {
      this.scanned = end - origin;
      this.#append(bytes, start, end);
    } else if (after >= 0) {
      this.scanned = after - origin;
      if (this.#buffered === 0) {
        this.source = bytes;
        this.base = start;
      } else {
        this.#append(bytes, start, after);
        this.source = this.#buffer;
        this.base = 0;
      }
      this.#trim();
    }
    return after;
  }

  /** Gets ready for another section and lets go of the bytes of this one. */
  reset(): void {
    this.source = NO_BYTES;
    this.count = 0;
    this.scanned = 0;
    this.state = this.#stateFirst;
    this.fieldsStart = 0;
    if (this.#buffered !== 0) {
      this.#buffer = NO_BYTES;
      this.#buffered = 0;
    }
    if (this.offsets.length > OFFSETS_KEPT_MAX) this.offsets = [];
  }

  /**
   * Goes on with the start line; leaves `state` at `AT_LINE` and sets `fieldsStart` when it is complete.
   *
   * @returns the index after what was read, or `REFUSED`
   */
  protected scanStartLine(_bytes: Uint8Array, start: number, _end: number, _origin: number): number {
    return start;
  }

  /** Says why it is refused. */
  protected refuse(refusal: RefusalId): typeof REFUSED {
    this.refusal = refusal;
    return REFUSED;
  }

  /** Goes on with the field lines: one turn of the loop for each, entered where the last part ended. */
  #scanFields(bytes: Uint8Array, start: number, end: number, origin: number): number {
    const limit = origin + this.fieldsStart + this.#fieldBytesMax + 2;
    const stop = end < limit ? end : limit;
    const offsets = this.offsets;
    let state = this.state;
    let o = this.count * OFFSETS_PER_FIELD;
    let i = start;
    while (i < stop) {
      if (state === AT_LINE) {
        const byte = bytes[i]!;
        if (TOKEN_LOWER[byte] !== 0) {
          if (this.count === this.#fieldsMax) return this.refuse(this.#tooMany);
          offsets[o] = i - origin;
          state = IN_NAME;
        } else if (byte === CR) state = AT_LAST_LF;
        else return this.refuse(refusalAtLine(byte));
        i++;
      }
      if (state === IN_NAME) {
        while (i < stop && TOKEN_LOWER[bytes[i]!] !== 0) i++;
        if (i === stop) break;
        if (bytes[i] !== COLON) return this.refuse(refusalInName(bytes[i]!));
        offsets[o + 1] = i - origin;
        state = BEFORE_VALUE;
        i++;
      }
      if (state === BEFORE_VALUE) {
        while (i < stop && (bytes[i] === SP || bytes[i] === HTAB)) i++;
        if (i === stop) break;
        offsets[o + 2] = i - origin;
        state = IN_VALUE;
      }
      if (state === IN_VALUE) {
        while (i < stop && FIELD_VALUE[bytes[i]!] !== 0) i++;
        if (i === stop) break;
        if (bytes[i] !== CR) return this.refuse(bytes[i] === LF ? "bare-lf" : "field-value-byte");
        offsets[o + 3] = i - origin;
        state = AT_LINE_LF;
        i++;
      }
      if (i === stop) break;
      if (bytes[i] !== LF) return this.refuse("bare-cr");
      i++;
      if (state === AT_LAST_LF) return i;
      this.count++;
      o += OFFSETS_PER_FIELD;
      state = AT_LINE;
    }
    if (stop === limit) return this.refuse(this.#tooLarge);
    this.state = state;
    return MORE;
  }

  /** Leaves white space after the values out (RFC 9112 §5.1); what is before them was skipped. */
  #trim(): void {
    const { source, base, offsets } = this;
    const end = this.count * OFFSETS_PER_FIELD;
    for (let o = 0; o < end; o += OFFSETS_PER_FIELD) {
      let valueEnd = base + offsets[o + 3]!;
      if (source[valueEnd - 1]! > SP) continue;
      const start = base + offsets[o + 2]!;
      while (valueEnd > start && (source[valueEnd - 1] === SP || source[valueEnd - 1] === HTAB)) valueEnd--;
      offsets[o + 3] = valueEnd - base;
    }
  }

  /** Keeps a part of the section; the limits have bounded it already. */
  #append(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#buffered + end - start;
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(BUFFER_BYTES_FIRST, this.#buffer.length * 2, length));
      grown.set(this.#buffer.subarray(0, this.#buffered));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes.subarray(start, end), this.#buffered);
    this.#buffered = length;
  }
}

/** What a byte that cannot begin a field line breaks. */
function refusalAtLine(byte: number): RefusalId {
  if (byte === SP || byte === HTAB) return "obs-fold";
  return byte === LF ? "bare-lf" : "field-name";
}

/** What a byte that cannot be in a field name breaks. */
function refusalInName(byte: number): RefusalId {
  if (byte === SP || byte === HTAB) return "field-name-space";
  return byte === CR || byte === LF ? "field-colon" : "field-name";
}

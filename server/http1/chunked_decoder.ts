/**
 * The chunked coding (RFC 9112 §7.1), stopping and going on at any byte.
 *
 * Strategy: the decoder only tells where data is; the parser hands the data on. White space is refused wherever RFC 9112 calls
 * it "bad": two parsers that skip it differently is how requests are smuggled.
 *
 * @module
 */
import { FieldsView } from "./fields.ts";
import {
  BACKSLASH,
  CR,
  EQUALS,
  HEX_PLUS_ONE,
  HTAB,
  LF,
  QUOTE,
  QUOTED,
  SEMICOLON,
  SP,
  TOKEN_LOWER,
} from "./grammar.ts";
import type { Fields, MessageLimits } from "./message.ts";
import type { RefusalId } from "./refusals.ts";
import { AT_LINE, MORE, OFFSETS_PER_FIELD, REFUSED, SectionScanner } from "./section_scanner.ts";
import { isForbiddenTrailer, isRefusedTrailer } from "./trailer_rule.ts";

// States. The numbers only tell them apart; the first is where a body begins.
const IN_SIZE = 0;
const AT_SIZE_LF = 1;
const IN_DATA = 2;
const AT_DATA_CR = 3;
const AT_DATA_LF = 4;
const IN_TRAILERS = 5;
const AT_EXTENSION_NAME = 6;
const IN_EXTENSION_NAME = 7;
const AT_EXTENSION_VALUE = 8;
const IN_EXTENSION_VALUE = 9;
const IN_QUOTED = 10;
const IN_ESCAPE = 11;
const AFTER_QUOTED = 12;

/** Digits of a size: 2^53-1 has 14; leading zeros are legal, but not without bound. */
const SIZE_DIGITS_MAX = 16;

/** Decodes one body after another. */
export class ChunkedDecoder {
  /** Bytes of the chunk's data that have not come yet. */
  data = 0;
  /** Whether the body is complete. */
  isComplete = false;
  /** Why it was refused. */
  refusal: RefusalId | null = null;
  /** Trailers that are kept, once complete; on loan. */
  trailers: Fields | null = null;

  #state = IN_SIZE;
  #digits = 0;
  /** Size being read. */
  #size = 0;
  /** Bytes of all chunk sizes so far. */
  #total = 0;
  #extensionBytes = 0;
  readonly #extensionBytesMax: number;
  readonly #scanner: SectionScanner;
  readonly #view = new FieldsView();

  /** @param limits bounds of extensions and trailers */
  constructor(limits: MessageLimits) {
    this.#extensionBytesMax = limits.chunkExtensionBytesMax;
    this.#scanner = new SectionScanner(
      AT_LINE,
      limits.trailerBytesMax,
      limits.trailersMax,
      "trailers-too-large",
      "too-many-trailers",
    );
  }

  /** Gets ready for another body. */
  reset(): void {
    this.isComplete = false;
    this.trailers = null;
    this.#view.release();
    this.#scanner.reset();
    this.#state = IN_SIZE;
    this.#digits = 0;
    this.#size = 0;
    this.#total = 0;
    this.#extensionBytes = 0;
  }

  /** Says that `bytes` of the chunk's data were handed on. */
  took(bytes: number): void {
    this.data -= bytes;
    if (this.data === 0) this.#state = AT_DATA_CR;
  }

  /**
   * Goes on with what is between the data, up to the next data or the end of the body.
   *
   * @param bodyBytesMax bytes of data the body may have in all
   * @returns the index of the data (`data` > 0), after the body (`isComplete`) or after all bytes; or `REFUSED`
   */
  read(bytes: Uint8Array, start: number, end: number, bodyBytesMax: number): number {
    let i = start;
    while (i < end) {
      switch (this.#state) {
        case IN_SIZE:
          i = this.#readSize(bytes, i, end);
          break;
        case AT_SIZE_LF:
          if (bytes[i++] !== LF) return this.#refuse("bare-cr");
          this.#digits = 0;
          if (this.#size === 0) {
            this.#state = IN_TRAILERS;
            break;
          }
          this.#total += this.#size;
          if (this.#total > bodyBytesMax) return this.#refuse("body-too-large");
          this.data = this.#size;
          this.#size = 0;
          this.#state = IN_DATA;
          return i;
        case IN_DATA:
          return i;
        case AT_DATA_CR:
          if (bytes[i++] !== CR) return this.#refuse("chunk-end");
          this.#state = AT_DATA_LF;
          break;
        case AT_DATA_LF:
          if (bytes[i++] !== LF) return this.#refuse("chunk-end");
          this.#state = IN_SIZE;
          break;
        case IN_TRAILERS:
          return this.#readTrailers(bytes, i, end);
        default:
          i = this.#readExtension(bytes, i, end);
      }
      if (i === REFUSED) return REFUSED;
    }
    return i;
  }

  /** `1*HEXDIG`, then CR or an extension. */
  #readSize(bytes: Uint8Array, start: number, end: number): number {
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      const digit = HEX_PLUS_ONE[byte]! - 1;
      if (digit >= 0) {
        this.#size = this.#size * 16 + digit;
        if (++this.#digits > SIZE_DIGITS_MAX || this.#size > Number.MAX_SAFE_INTEGER) {
          return this.#refuse("chunk-size-overflow");
        }
        continue;
      }
      if (this.#digits === 0) return this.#refuse("chunk-size");
      if (byte === CR) this.#state = AT_SIZE_LF;
      else if (byte === SEMICOLON) {
        if (++this.#extensionBytes > this.#extensionBytesMax) {
          return this.#refuse("chunk-extensions-too-large");
        }
        this.#state = AT_EXTENSION_NAME;
      } else return this.#refuse(byte === LF ? "bare-lf" : "chunk-size");
      return i + 1;
    }
    return end;
  }

  /** `chunk-ext` (RFC 9112 §7.1.1) without bad white space, byte by byte: it is rare. */
  #readExtension(bytes: Uint8Array, start: number, end: number): number {
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      const state = this.#state;
      if (byte === CR && isWholeExtension(state)) {
        this.#state = AT_SIZE_LF;
        return i + 1;
      }
      const next = nextInExtension(state, byte);
      if (next === REFUSED) return this.#refuse(byte === LF ? "bare-lf" : "chunk-extension");
      if (++this.#extensionBytes > this.#extensionBytesMax) return this.#refuse("chunk-extensions-too-large");
      this.#state = next;
    }
    return end;
  }

  /** The trailer section: lines as in a head. */
  #readTrailers(bytes: Uint8Array, start: number, end: number): number {
    const scanner = this.#scanner;
    const after = scanner.read(bytes, start, end);
    if (after === MORE) return end;
    if (after === REFUSED) return this.#refuse(scanner.refusal!);
    if (scanner.count > 0 && !this.#keepTrailers()) return this.#refuse("trailer-forbidden");
    this.isComplete = true;
    return after;
  }

  /** Drops what cannot be a trailer; `false` when the message is to be refused for one. */
  #keepTrailers(): boolean {
    const { source, base, offsets, count } = this.#scanner;
    const view = this.#view;
    view.lend(source, base, offsets, count);
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const name = view.nameAt(i);
      if (isRefusedTrailer(name)) return false;
      if (isForbiddenTrailer(name)) continue;
      offsets.copyWithin(kept * OFFSETS_PER_FIELD, i * OFFSETS_PER_FIELD, (i + 1) * OFFSETS_PER_FIELD);
      kept++;
    }
    view.lend(source, base, offsets, kept);
    this.trailers = kept > 0 ? view : null;
    return true;
  }

  #refuse(refusal: RefusalId): typeof REFUSED {
    this.refusal = refusal;
    return REFUSED;
  }
}

/** Whether an extension may end in this state. */
function isWholeExtension(state: number): boolean {
  return state === IN_EXTENSION_NAME || state === IN_EXTENSION_VALUE || state === AFTER_QUOTED;
}

/** The state after `byte`, or `REFUSED`. */
function nextInExtension(state: number, byte: number): number {
  const isToken = TOKEN_LOWER[byte] !== 0;
  switch (state) {
    case AT_EXTENSION_NAME:
      return isToken ? IN_EXTENSION_NAME : REFUSED;
    case IN_EXTENSION_NAME:
      if (byte === EQUALS) return AT_EXTENSION_VALUE;
      break;
    case AT_EXTENSION_VALUE:
      if (byte === QUOTE) return IN_QUOTED;
      return isToken ? IN_EXTENSION_VALUE : REFUSED;
    case IN_EXTENSION_VALUE:
      break;
    case IN_QUOTED:
      if (byte === QUOTE) return AFTER_QUOTED;
      if (byte === BACKSLASH) return IN_ESCAPE;
      return QUOTED[byte] !== 0 ? IN_QUOTED : REFUSED;
    case IN_ESCAPE:
      // quoted-pair (RFC 9110 §5.6.4): HTAB, SP, VCHAR, obs-text.
      return QUOTED[byte] !== 0 || byte === QUOTE || byte === BACKSLASH || byte === SP || byte === HTAB
        ? IN_QUOTED
        : REFUSED;
    default:
      return byte === SEMICOLON ? AT_EXTENSION_NAME : REFUSED;
  }
  // In a name or an unquoted value: more of it, or the next extension.
  if (byte === SEMICOLON) return AT_EXTENSION_NAME;
  return isToken ? state : REFUSED;
}

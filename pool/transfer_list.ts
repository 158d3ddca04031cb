/**
 * Which buffers of a value are given away when it is sent, and how many bytes are copied.
 *
 * Strategy: what is large lies at the top or one or two levels below it, so only that much is looked at: a value costs a few
 * type checks, not a walk. Deeper buffers are copied and not counted.
 *
 * - `"auto"` transfers an `ArrayBuffer`, or a view of the whole of one, from `TRANSFER_BYTES_MIN` on. A view of a part is
 *   copied: others may look at the rest. The clone copies the whole buffer below it, which is what counts.
 * - Shared memory is shared, not copied. Strings count two bytes a character.
 *
 * @module
 */
import type { TransferMode } from "./pool_contract.ts";

/** Below 64 KiB a copy costs no more than a transfer, whose bookkeeping is some 10 µs. */
const TRANSFER_BYTES_MIN = 64 * 1024;

/** Levels of objects and arrays that are looked into. */
const DEPTH_MAX = 2;

/** Entries of an object or array that are looked at: beyond, it is a table of small things. */
const ENTRIES_MAX = 64;

/** What sending a value takes. */
export interface Parcel {
  /** Bytes that are copied, as far as was looked. */
  copyBytes: number;
  /** Buffers and ports that are given away. */
  readonly transfer: Transferable[];
}

/**
 * Looks at a value that is to be sent.
 *
 * @param value anything
 * @param mode what becomes of its buffers
 * @param into what the result is added to
 */
export function pack(value: unknown, mode: TransferMode, into: Parcel): void {
  if (typeof value === "string") into.copyBytes += 2 * value.length;
  else if (typeof value === "object" && value !== null) look(value, mode, into, DEPTH_MAX);
  if (typeof mode !== "string") { for (const one of mode) addOnce(into.transfer, one); }
}

function look(value: object, mode: TransferMode, into: Parcel, depth: number): void {
  if (ArrayBuffer.isView(value)) {
    const { buffer } = value;
    if (buffer instanceof ArrayBuffer) addBuffer(buffer, value.byteLength === buffer.byteLength, mode, into);
  } else if (value instanceof ArrayBuffer) addBuffer(value, true, mode, into);
  else if (depth > 0 && (Array.isArray(value) || isPlain(value))) {
    let left = ENTRIES_MAX;
    for (const key in value) {
      if (left-- === 0) return;
      const inner = (value as Record<string, unknown>)[key];
      if (typeof inner === "string") into.copyBytes += 2 * inner.length;
      else if (typeof inner === "object" && inner !== null) look(inner, mode, into, depth - 1);
    }
  }
}

function addBuffer(buffer: ArrayBuffer, isWhole: boolean, mode: TransferMode, into: Parcel): void {
  if (typeof mode !== "string") {
    if (!mode.includes(buffer)) into.copyBytes += buffer.byteLength;
  } else if (mode === "auto" && isWhole && buffer.byteLength >= TRANSFER_BYTES_MIN) {
    addOnce(into.transfer, buffer);
  } else into.copyBytes += buffer.byteLength;
}

function addOnce(list: Transferable[], one: Transferable): void {
  if (!list.includes(one)) list.push(one);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

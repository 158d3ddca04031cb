/**
 * Watermark accounting of one write buffer: says when a protocol is to be told to pause and to resume.
 *
 * The rules are asyncio's (Lib/asyncio/transports.py, `_FlowControlMixin`), in its wording: writing is paused when
 * the buffered size is *strictly above* the high-water mark, and resumed when it is *at or below* the low-water mark.
 * Between the marks nothing changes (hysteresis). A high-water mark of 0 pauses as soon as anything is buffered.
 *
 * Pure: it neither holds bytes nor calls anybody; the transport asks and acts.
 *
 * @module
 */
import type { WriteLimits } from "./selector.ts";

/** asyncio's default: enough to keep a fast link busy, little enough for ten thousand slow readers. */
export const HIGH_BYTES_DEFAULT = 64 * 1024;

/** asyncio's default ratio between the marks, `low = high / 4`. */
const LOW_DIVISOR = 4;

/**
 * The limits meant by what a caller gave.
 *
 * @param limits the marks, bytes; `lowBytes` defaults to a quarter of `highBytes`, rounded down
 * @returns both marks
 * @throws RangeError unless both are integers with `0 <= lowBytes <= highBytes`
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { resolveWriteLimits } from "./flow_control.ts";
 *
 * assertEquals(resolveWriteLimits({ highBytes: 1000 }), { highBytes: 1000, lowBytes: 250 });
 * ```
 */
export function resolveWriteLimits(
  limits: { readonly highBytes: number; readonly lowBytes?: number },
): WriteLimits {
  const { highBytes } = limits;
  const lowBytes = limits.lowBytes ?? Math.floor(highBytes / LOW_DIVISOR);
  if (
    !Number.isSafeInteger(highBytes) || !Number.isSafeInteger(lowBytes) || lowBytes < 0 ||
    lowBytes > highBytes
  ) {
    throw new RangeError(
      `Cannot set write limits: need integers 0 <= lowBytes <= highBytes, got low ${lowBytes}, high ${highBytes}`,
    );
  }
  return { highBytes, lowBytes };
}

/** Whether one protocol is paused, and the marks that decide it. */
export class FlowControl {
  #highBytes = HIGH_BYTES_DEFAULT;
  #lowBytes = HIGH_BYTES_DEFAULT / LOW_DIVISOR;
  #isPaused = false;

  /** Whether the protocol was last told to pause. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** The marks in force. */
  get limits(): WriteLimits {
    return { highBytes: this.#highBytes, lowBytes: this.#lowBytes };
  }

  /**
   * Sets the marks; ask `shouldPause` and `shouldResume` afterwards.
   *
   * @param limits the marks, bytes; `lowBytes` defaults to a quarter
   * @throws RangeError unless `0 <= lowBytes <= highBytes`
   */
  setLimits(limits: { readonly highBytes: number; readonly lowBytes?: number }): void {
    const resolved = resolveWriteLimits(limits);
    this.#highBytes = resolved.highBytes;
    this.#lowBytes = resolved.lowBytes;
  }

  /**
   * Whether the protocol must be paused now; remembers that it was.
   *
   * @param bufferedBytes bytes in the buffer
   * @returns `true` at most once until `shouldResume` returned `true`
   */
  shouldPause(bufferedBytes: number): boolean {
    if (this.#isPaused || bufferedBytes <= this.#highBytes) return false;
    this.#isPaused = true;
    return true;
  }

  /**
   * Whether the protocol must be resumed now; remembers that it was.
   *
   * @param bufferedBytes bytes in the buffer
   * @returns `true` at most once for every `true` of `shouldPause`
   */
  shouldResume(bufferedBytes: number): boolean {
    if (!this.#isPaused || bufferedBytes > this.#lowBytes) return false;
    this.#isPaused = false;
    return true;
  }
}

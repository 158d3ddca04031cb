/**
 * Tells whether the reader of a connection takes what waits for it at a minimum rate (`writeBytesPerSecondMin`).
 *
 * What is measured is what the reader's system has confirmed, where ours tells (TCP on `epoll` and `uring`); else what our system takes
 * from us, looked at every few seconds. Both come in steps. A reader's system confirms when its program has made room for a segment,
 * which is 64 KiB between programs of one machine. Ours takes more when a third of its send buffer, of up to some MiB, is free, so that
 * a slow reader's progress is invisible for minutes and then is a MiB at once; and where a send is the runtime's, 256 KiB at
 * least. A rate over any fixed time would find nothing in most of them. So:
 *
 * - A span begins with a look at which bytes wait, and is given up when the next bytes are written if nothing waited by then, or what
 *   waited was found taken within a moment: who keeps up with what is written, however little that is, is not slow. A step that
 *   follows a pause may empty the buffer, too; what is written on the strength of it is no reason. So in all of a span either bytes have
 *   waited, or the reader was waited for until just now.
 * - A span is judged only after a step, when what the system took is what the reader took: of the time up to the look before the
 *   step, and of the bytes up to the look after it, since a step may take several sends.
 * - Who takes nothing at all is `writeStallMs`'s to judge. Where that is off, a reader has the time in which it would have emptied
 *   a large send buffer.
 *
 * So no reader is cut that takes twice the minimum, whatever the steps, nor one that takes just the minimum in small ones; and
 * all are that take less than three quarters of it while something waits.
 *
 * @module
 */

/** How often a connection for which bytes wait is looked at, milliseconds. */
export const WRITE_LOOK_MS = 5_000;

/**
 * The time that is judged is at least this long, milliseconds: what was rounded away at its ends is a quarter then; links that
 * change cells recover within; and a reader who is too slow is found before one who takes nothing is, by default.
 */
export const WRITE_RATE_SPAN_MS = 30_000;

/** 4 MiB, Linux's bound of a send buffer (tcp_wmem) as it comes: as much may be the system's without a sign of progress. */
const HIDDEN_BYTES = 4 * 1024 * 1024;

/** What waits no longer than this is on its way (a send that is not completed yet), and nobody is waited for, milliseconds. */
const PROMPT_MS = 250;

/** One span, and those that follow it without a gap; see the module's text. */
export class WriteRate {
  readonly #bytesPerMs: number;
  /** When the span began, and what had been read then. */
  #beganMs = 0;
  #beganBytes = 0;
  /** What will have been taken when all is gone that waited at a time, and that time. */
  #markBytes = 0;
  #markMs = 0;
  /** When a pause ended last in which the reader was waited for. */
  #pausedUntilMs = -Infinity;
  /** The look before: when, and what had been read. */
  #lookMs = 0;
  #lookBytes = 0;
  /** If the look before found a step: how far the span was at the look before that. Else -1. */
  #steppedMs = -1;

  /**
   * Begins a span.
   *
   * @param bytesPerSecondMin the minimum
   * @param now the time, milliseconds
   * @param takenBytes bytes that our system has taken so far
   * @param bufferedBytes bytes that wait
   * @param readBytes bytes that the reader has taken so far, as well as that is known
   */
  constructor(
    bytesPerSecondMin: number,
    now: number,
    takenBytes: number,
    bufferedBytes: number,
    readBytes = takenBytes,
  ) {
    this.#bytesPerMs = bytesPerSecondMin / 1_000;
    this.#begin(now, takenBytes, bufferedBytes, readBytes);
  }

  /** A pause of the writer ended that was so long: the reader has taken enough, at last. */
  resumed(now: number, pausedMs: number): void {
    if (pausedMs >= PROMPT_MS) this.#pausedUntilMs = now;
  }

  /**
   * Bytes were written: `unsentBytes` of those before it waited then. Returns whether the reader keeps up; then the span is over.
   * Other parameters as the constructor's.
   */
  keepsUp(now: number, takenBytes: number, bufferedBytes: number, unsentBytes: number): boolean {
    if (now - this.#pausedUntilMs < PROMPT_MS) return false;
    if (unsentBytes === 0) return true;
    if (takenBytes < this.#markBytes) return false;
    if (now - this.#markMs < PROMPT_MS) return true;
    this.#mark(now, takenBytes, bufferedBytes);
    return false;
  }

  /** Looks again, while bytes wait; parameters as the constructor's. Returns whether the reader is too slow. */
  isTooSlow(now: number, takenBytes: number, bufferedBytes: number, readBytes = takenBytes): boolean {
    const bytes = readBytes - this.#beganBytes;
    const isOther = readBytes < this.#lookBytes; // It has become known better.
    const isJudged = this.#steppedMs >= WRITE_RATE_SPAN_MS;
    if (isJudged && !isOther && bytes < this.#steppedMs * this.#bytesPerMs) return true;
    const isLate = now - this.#lookMs > 2 * WRITE_LOOK_MS; // Our event loop stood still: nobody could take anything.
    if (isJudged || isLate || isOther) {
      this.#begin(now, takenBytes, bufferedBytes, readBytes);
      return false;
    }
    if (bytes + HIDDEN_BYTES < (now - this.#beganMs) * this.#bytesPerMs) return true;
    this.#steppedMs = readBytes > this.#lookBytes ? this.#lookMs - this.#beganMs : -1;
    this.#lookMs = now;
    this.#lookBytes = readBytes;
    return false;
  }

  #begin(now: number, takenBytes: number, bufferedBytes: number, readBytes: number): void {
    this.#beganMs = this.#lookMs = now;
    this.#beganBytes = this.#lookBytes = readBytes;
    this.#steppedMs = -1;
    this.#mark(now, takenBytes, bufferedBytes);
  }

  #mark(now: number, takenBytes: number, bufferedBytes: number): void {
    this.#markMs = now;
    this.#markBytes = takenBytes + bufferedBytes;
  }
}

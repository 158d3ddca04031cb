/**
 * One end of a connection under torture: does what it is told to, at random also from within what it hears, and says what of the
 * contract (io/selector.ts) was broken.
 *
 * @module
 */
import type { Protocol, Transport } from "../../../io/selector.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import type { Prng } from "../../../io/testing/prng.ts";
import { makeFrame, Unframer } from "./torture_frame.ts";

/** What a transport sends at once counts as buffered until the kernel has all of it. */
const SEND_BYTES_MAX = 256 * 1024;

/** Thrown by protocols, and given to `abort`. */
export class TortureError extends Error {}

/** What all ends of one torture share. */
export interface TortureLedger {
  readonly prng: Prng;
  /** What was found wrong. */
  readonly faults: string[];
  /** Ends whose protocol heard `opened` and has yet to hear `closed`. */
  readonly open: Set<End>;
  /** Ends by how their peers know them. */
  readonly byName: Map<string, End>;
  /** Whether it is a Unix socket: it knows no reset, so who aborts may look like one that ended. */
  readonly isUnix: boolean;
  /** Whether an end may come too early. */
  readonly isEndIgnored: boolean;
  /** The call of a transport, or the method of a protocol, that is at work now. */
  top: { readonly end: End; readonly name: string } | null;
  /** What everybody writes now. */
  chunk: SharedChunk;
  /** Whether what is open is ended by force. */
  isOver: boolean;
  frames: number;
  bytes: number;
  resets: number;
}

/** From inside which calls of its transport a protocol may hear what. */
const FROM_WITHIN: Readonly<Record<string, readonly string[]>> = {
  pauseWriting: ["write", "setWriteLimits"],
  resumeWriting: ["setWriteLimits"],
};

/** How likely a method does something by itself; to another end than its own; throws. */
const [DEED, ELSEWHERE, THROW] = [1 / 6, 1 / 4, 1 / 400];

/** One end; what it hears goes through a `Face`. */
export class End {
  transport: Transport | null = null;
  /** Number of its listener; -1 for one that connects. */
  readonly listener: number;
  readonly ledger: TortureLedger;
  /** Whether it is left alone, paused or not, for the time being. */
  isResting = false;
  /** Whether it was told to send no more: by `closeWrite`, `close` or `abort`. */
  isWriteClosed = false;
  /** Whether it was closed or aborted from here. */
  isClosed = false;
  isAborted = false;
  written = 0;
  #face: Face;
  readonly #unframer: Unframer;
  readonly #staysOpen: boolean;
  #limits = { highBytes: 64 * 1024, lowBytes: 16 * 1024 };
  #isPaused = false;
  /** Calls so far. */
  #heard = 0;
  #hasEnded = false;
  #hasClosed = false;
  #reason: Error | null = null;
  #peer: End | null = null;

  constructor(ledger: TortureLedger, listener: number) {
    this.ledger = ledger;
    this.listener = listener;
    this.#staysOpen = ledger.prng.chance(0.5);
    this.#face = new Face(this);
    this.#unframer = new Unframer((seed, length) => {
      ledger.frames++;
      if (ledger.isUnix && length === 0 && listener >= 0) this.#join(ledger.byName.get(`${seed}`));
    });
  }

  /** What the selector sees now. */
  get protocol(): Protocol {
    return this.#face;
  }

  /** Whether writing is not held back, and means something. */
  get isWritable(): boolean {
    return !this.isWriteClosed && !this.transport!.isClosing;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  // ---- what it hears ---------------------------------------------------------------------------------------------

  hear<Answer>(face: Face, name: string, run: () => Answer): Answer {
    const { ledger, ledger: { top, prng } } = this;
    if (face !== this.#face) this.fault(`a protocol that was replaced heard ${name}`);
    if (this.#hasClosed) this.fault(`${name} came after closed`);
    if (this.transport === null && name !== "opened") this.fault(`${name} came before opened`);
    const mayCome = top === null || (top.end === this && FROM_WITHIN[name]?.includes(top.name));
    if (!mayCome) this.fault(`${name} came from inside ${top?.name}`);
    ledger.top = { end: this, name };
    this.#heard++;
    try {
      const answer = run();
      if (prng.chance(DEED)) this.#react();
      if (name !== "closed" && prng.chance(THROW) && !ledger.isOver) this.#throw();
      return answer;
    } finally {
      ledger.top = top;
    }
  }

  opened(transport: Transport): void {
    const { byName, isUnix, open } = this.ledger;
    if (this.transport !== null) this.fault("opened came twice");
    this.transport = transport;
    open.add(this);
    const { localAddr, remoteAddr } = transport;
    if (isUnix) {
      if (this.listener >= 0) return; // The first frame says whom it is connected to.
      byName.set(`${byName.size}`, this);
      return this.write(makeFrame(byName.size - 1, 0));
    }
    if (localAddr.transport !== "tcp" || remoteAddr.transport !== "tcp") return;
    byName.set(`${localAddr.port} ${remoteAddr.port}`, this);
    this.#join(byName.get(`${remoteAddr.port} ${localAddr.port}`));
  }

  received(bytes: Uint8Array): void {
    this.#mayRead("received");
    if (bytes.length === 0) this.fault("received came with no bytes");
    this.ledger.bytes += bytes.length;
    const wrong = this.#unframer.feed(bytes);
    if (wrong === null) return;
    this.fault(wrong);
    this.abort();
  }

  ended(): boolean {
    this.#mayRead("ended");
    this.#hasEnded = true;
    const { ledger, ledger: { isEndIgnored, isOver, isUnix } } = this;
    const peer = this.#peer;
    if (isOver || isEndIgnored || (isUnix && (peer === null || peer.isAborted))) return this.#staysOpen;
    const { length, left } = this.#unframer;
    if (left > 0) ledger.faults.push(`the end came with ${left} bytes of a frame to come`);
    else if (peer !== null && !peer.isAborted && peer.written !== length) {
      this.fault(`the end came after ${length} of ${peer.written} bytes`);
    }
    return this.#staysOpen;
  }

  pauseWriting(): void {
    if (this.#isPaused) this.fault("pauseWriting came twice");
    this.#isPaused = true;
    const { bufferedBytes } = this.transport!;
    if (bufferedBytes <= this.#limits.highBytes) this.fault(`pauseWriting came at ${bufferedBytes} bytes`);
  }

  resumeWriting(): void {
    if (!this.#isPaused) this.fault("resumeWriting came without pauseWriting");
    this.#isPaused = false;
    const { bufferedBytes } = this.transport!;
    if (bufferedBytes > this.#limits.lowBytes) this.fault(`resumeWriting came at ${bufferedBytes} bytes`);
  }

  closed(reason: Error | null): void {
    this.#hasClosed = true;
    const { open } = this.ledger;
    const { bufferedBytes, isClosing } = this.transport!;
    if (!open.delete(this)) this.fault("closed came for what was not open");
    if (!isClosing) this.fault("it was not closing when closed came");
    if (bufferedBytes > 0 && (reason === null || this.isAborted) && this.isClosed) {
      this.fault(`${bufferedBytes} bytes were buffered when closed came`); // Else it says what was lost.
    }
    if (reason !== null) this.ledger.resets++;
    else if (!this.isClosed && !this.#hasEnded) this.fault("closed came without end or reason");
    if (this.#reason !== null && this.#reason !== reason) {
      this.fault(`closed came with ${reason} after an abort`);
    }
  }

  // ---- what it does ----------------------------------------------------------------------------------------------

  write(frame: Uint8Array): void {
    this.#write(frame.length, (transport) => transport.write(frame));
  }

  writeLatin1(frame: Uint8Array): void {
    this.#write(frame.length, (transport) => transport.writeLatin1(String.fromCharCode(...frame)));
  }

  writeShared(chunk: SharedChunk): void {
    this.#write(chunk.bytes.length, (transport) => transport.writeShared(chunk));
  }

  pauseReading(): void {
    this.#call("pauseReading", (transport) => transport.pauseReading());
    if (this.transport!.isReading) this.fault("it was reading after pauseReading");
  }

  resumeReading(): void {
    this.#call("resumeReading", (transport) => transport.resumeReading());
    if (!this.transport!.isReading) this.fault("it was not reading after resumeReading");
  }

  setWriteLimits(highBytes: number, lowBytes: number): void {
    this.#limits = { highBytes, lowBytes };
    this.#call("setWriteLimits", (transport) => transport.setWriteLimits({ highBytes, lowBytes }));
    this.#checkFlow("setWriteLimits");
  }

  setProtocol(): void {
    this.#face = new Face(this);
    this.#call("setProtocol", (transport) => transport.setProtocol(this.#face));
  }

  closeWrite(): void {
    this.isWriteClosed = true;
    this.#call("closeWrite", (transport) => transport.closeWrite());
  }

  close(): void {
    this.isClosed = this.isWriteClosed = true;
    this.#call("close", (transport) => transport.close());
    if (!this.transport!.isClosing) this.fault("it was not closing after close");
  }

  /** On a Unix socket, nobody could tell it from an end: there it is a close, until all is over. */
  abort(): void {
    if (this.ledger.isUnix && !this.ledger.isOver) return this.close();
    const error = new TortureError("aborted");
    if (!this.#hasClosed && !this.ledger.isOver) this.#reason ??= error; // Then the selector may have aborted it before.
    this.isClosed = this.isWriteClosed = this.isAborted = true;
    this.#call("abort", (transport) => transport.abort(error));
    if (!this.#hasClosed && this.transport!.bufferedBytes > 0) this.fault("bytes were buffered after abort");
  }

  /** What was written and is neither buffered nor received is on its way: never less than nothing, but for a send under way. */
  checkBytes(): void {
    const peer = this.#peer;
    if (peer === null || this.isAborted || this.#hasClosed) return;
    const { bufferedBytes } = this.transport!;
    const { length } = peer.#unframer;
    if (length + bufferedBytes > this.written + SEND_BYTES_MAX) {
      this.fault(`${this.written} bytes were written, ${length} received, and ${bufferedBytes} are buffered`);
    }
  }

  fault(what: string): void {
    this.ledger.faults.push(`${what} (${this.listener < 0 ? "who connected" : "who was accepted"})`);
  }

  /** Does something, likely to this end, from within what it hears. */
  #react(): void {
    const { open, prng } = this.ledger;
    const ends = [...open];
    const isElsewhere = ends.length > 0 && prng.chance(ELSEWHERE);
    doSomething(isElsewhere ? ends[prng.integer(0, ends.length - 1)]! : this);
  }

  #throw(): never {
    const error = new TortureError("thrown by a protocol");
    if (!this.#hasClosed) this.#reason ??= error;
    this.isClosed = this.isWriteClosed = this.isAborted = true;
    throw error;
  }

  #write(length: number, write: (transport: Transport) => void): void {
    const transport = this.transport!;
    const before = transport.bufferedBytes;
    const heard = this.#heard;
    this.written += length;
    this.#call("write", write);
    if (transport.isClosing) return;
    const rise = transport.bufferedBytes - before;
    const hasHeard = this.#heard !== heard; // Then it may have written more.
    if (!hasHeard && rise !== length) {
      this.fault(`${length} bytes were written, and ${rise} more are buffered`);
    }
    this.#checkFlow("write");
  }

  #checkFlow(after: string): void {
    const { bufferedBytes, isClosing } = this.transport!;
    if (isClosing || this.#isPaused || bufferedBytes <= this.#limits.highBytes) return;
    this.fault(`pauseWriting did not come at ${bufferedBytes} bytes after ${after}`);
  }

  #call(name: string, call: (transport: Transport) => void): void {
    const { ledger, ledger: { top } } = this;
    ledger.top = { end: this, name };
    try {
      call(this.transport!);
    } finally {
      ledger.top = top;
    }
  }

  #mayRead(name: string): void {
    if (this.#hasEnded) this.fault(`${name} came after ended`);
    if (!this.transport!.isReading) this.fault(`${name} came while reading was paused`);
    if (this.isClosed) this.fault(`${name} came after close or abort`);
  }

  #join(peer: End | undefined): void {
    if (peer === undefined || peer.#peer !== null || this.#peer !== null) return;
    this.#peer = peer;
    peer.#peer = this;
  }
}

/** The protocol that a transport sees; an end changes it, as an upgrade would, and the one before must hear nothing more. */
class Face implements Protocol {
  readonly #end: End;

  constructor(end: End) {
    this.#end = end;
  }

  opened(transport: Transport): void {
    this.#end.hear(this, "opened", () => this.#end.opened(transport));
  }

  received(bytes: Uint8Array): void {
    this.#end.hear(this, "received", () => this.#end.received(bytes));
  }

  ended(): boolean {
    return this.#end.hear(this, "ended", () => this.#end.ended());
  }

  pauseWriting(): void {
    this.#end.hear(this, "pauseWriting", () => this.#end.pauseWriting());
  }

  resumeWriting(): void {
    this.#end.hear(this, "resumeWriting", () => this.#end.resumeWriting());
  }

  closed(reason: Error | null): void {
    this.#end.hear(this, "closed", () => this.#end.closed(reason));
  }
}

/** What may happen to one end, with how often. */
const DEEDS: readonly [number, (end: End, prng: Prng) => void][] = [
  [30, (end, prng) => write(end, makeFrame(prng.integer(0, 0xffff_ffff), prng.skewed(3_000)))],
  [5, (end, prng) => write(end, makeFrame(prng.integer(0, 0xffff_ffff), prng.skewed(300_000)))],
  [5, (end, prng) => {
    if (maySend(end)) end.writeLatin1(makeFrame(prng.integer(0, 0xffff_ffff), prng.skewed(30_000)));
  }],
  [30, (end) => {
    if (maySend(end)) end.writeShared(end.ledger.chunk);
  }],
  [8, (end) => end.pauseReading()],
  [14, (end) => end.resumeReading()],
  [2, (end) => {
    end.pauseReading();
    end.resumeReading();
  }],
  [2, (end, prng) => {
    if (prng.chance(0.7)) end.pauseReading();
    end.isResting = true;
  }],
  [3, (end, prng) => {
    const highBytes = prng.integer(0, 1) * prng.skewed(200_000);
    end.setWriteLimits(highBytes, prng.integer(0, highBytes));
  }],
  [3, (end) => end.setProtocol()],
  [2, (end) => end.closeWrite()],
  [3, (end) => end.close()],
  [2, (end) => end.abort()],
];
const DEEDS_TOTAL = DEEDS.reduce((sum, [weight]) => sum + weight, 0);

/** Who is told to pause mostly does. */
function maySend(end: End): boolean {
  return end.isWritable && (!end.isPaused || end.ledger.prng.chance(0.05));
}

function write(end: End, frame: Uint8Array): void {
  if (maySend(end)) end.write(frame);
}

/** Does something at random to one end. */
export function doSomething(end: End): void {
  const { prng } = end.ledger;
  let rest = prng.integer(0, DEEDS_TOTAL - 1);
  for (const [weight, deed] of DEEDS) {
    rest -= weight;
    if (rest < 0) return deed(end, prng);
  }
}

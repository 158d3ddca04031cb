/**
 * One connection under observation: stands between a transport and its protocol, and checks what each does to the other.
 *
 * To the transport it is the protocol (`ConnectionCheck`), to the protocol the transport (`CheckedTransport`).
 *
 * Besides the call grammar it checks, by making a breach visible: loaned bytes are a private copy that is overwritten
 * when `received` returns; written bytes are a private copy overwritten when `write` returns; a shared chunk is watched
 * until its last reference is gone, its bytes compared with what they were.
 *
 * @module
 */
import { ConnectionAbortedError, ContractError, SelectorClosedError } from "../errors.ts";
import { HIGH_BYTES_DEFAULT, resolveWriteLimits } from "../flow_control.ts";
import type { Addr, Protocol, Transport, WriteLimits } from "../selector.ts";
import { SharedChunk } from "../shared_chunk.ts";

/** What overwritten bytes are filled with: no text, no small number, easy to see in a dump. */
const POISON = 0xdd;

/** Calls of a transport from inside of which `pauseWriting` may come. */
const MAY_PAUSE: ReadonlySet<string> = new Set([
  "write",
  "writeText",
  "writeLatin1",
  "writeShared",
  "setWriteLimits",
]);

/** Calls of a transport from inside of which `resumeWriting` may come. */
const MAY_RESUME: ReadonlySet<string> = new Set(["setWriteLimits"]);

interface Frame {
  readonly connection: ConnectionCheck | null;
  readonly name: string;
  readonly isCall: boolean;
}

/** What the connections of one checked selector share: what was found, and who is calling whom right now. */
export class CheckLedger {
  /** Breaches found so far, in order. */
  readonly violations: ContractError[] = [];
  /** Connections that were made and whose protocol has not heard `closed`. */
  readonly open: Set<ConnectionCheck> = new Set();
  readonly #stack: Frame[] = [];

  /** The call or method that is on top of the stack now. */
  get top(): Frame | undefined {
    return this.#stack.at(-1);
  }

  /** Records a breach and throws it. */
  fail(what: string): never {
    const error = new ContractError(what);
    this.violations.push(error);
    throw error;
  }

  /** Records a breach where throwing would hide something else. */
  note(what: string): void {
    this.violations.push(new ContractError(what));
  }

  /** Runs `run` with a frame on the stack. */
  within<Result>(
    connection: ConnectionCheck | null,
    name: string,
    isCall: boolean,
    run: () => Result,
  ): Result {
    this.#stack.push({ connection, name, isCall });
    try {
      return run();
    } finally {
      this.#stack.pop();
    }
  }
}

/** The protocol a transport sees; see the module's text. */
export class ConnectionCheck implements Protocol {
  /** What the protocol sees; `null` before `opened`. */
  outer: CheckedTransport | null = null;
  /** The protocol under observation. */
  user: Protocol;
  /** Whether `closed` came. */
  isClosed = false;
  /** Whether the protocol asked for bytes. */
  isReading = true;
  /** Whether the protocol called `close()`. */
  isCloseCalled = false;
  /** Whether the protocol called `abort()`, or threw, which comes to the same. */
  isAborted = false;
  /** What `closed` must then say; `null` for any `ConnectionAbortedError`. */
  abortReason: Error | null = null;
  /** Marks in force. */
  limits: WriteLimits = resolveWriteLimits({ highBytes: HIGH_BYTES_DEFAULT });
  /** Whether the protocol was told to pause writing. */
  isWritingPaused = false;
  /** How often it was. */
  pauses = 0;
  /** Chunks the transport has not released. */
  chunksHeld = 0;
  readonly #ledger: CheckLedger;
  #isEnded = false;

  /** @param user the protocol under observation */
  constructor(ledger: CheckLedger, user: Protocol) {
    this.#ledger = ledger;
    this.user = user;
    ledger.open.add(this);
  }

  opened(transport: Transport): void {
    if (this.outer !== null) this.#ledger.fail("the selector called opened twice on one protocol");
    this.#checkEntry("opened");
    this.outer = new CheckedTransport(this.#ledger, this, transport);
    checkAddr(this.#ledger, "localAddr", transport.localAddr);
    checkAddr(this.#ledger, "remoteAddr", transport.remoteAddr);
    this.#run("opened", () => this.user.opened(this.outer!));
  }

  received(bytes: Uint8Array): void {
    this.#checkEntry("received");
    if (bytes.constructor !== Uint8Array) {
      this.#ledger.fail(
        "the selector gave received something else than a plain Uint8Array, whose slice() would not copy",
      );
    }
    if (bytes.length === 0) this.#ledger.fail("the selector called received with no bytes");
    this.#checkReading("received");
    const loan = bytes.slice();
    try {
      this.#run("received", () => this.user.received(loan));
    } finally {
      loan.fill(POISON);
    }
  }

  ended(): boolean | void {
    this.#checkEntry("ended");
    this.#checkReading("ended");
    this.#isEnded = true;
    return this.#run("ended", () => this.user.ended());
  }

  pauseWriting(): void {
    this.#checkEntry("pauseWriting", MAY_PAUSE);
    if (this.isWritingPaused) {
      this.#ledger.fail("the selector called pauseWriting twice without resumeWriting");
    }
    const { bufferedBytes } = this.outer!;
    if (bufferedBytes <= this.limits.highBytes) {
      this.#ledger.fail(`the selector called pauseWriting at ${bufferedBytes} bytes, not above the mark`);
    }
    this.isWritingPaused = true;
    this.pauses++;
    this.#run("pauseWriting", () => this.user.pauseWriting());
  }

  resumeWriting(): void {
    this.#checkEntry("resumeWriting", MAY_RESUME);
    if (!this.isWritingPaused) this.#ledger.fail("the selector called resumeWriting without pauseWriting");
    const { bufferedBytes } = this.outer!;
    if (bufferedBytes > this.limits.lowBytes) {
      this.#ledger.fail(`the selector called resumeWriting at ${bufferedBytes} bytes, above the low mark`);
    }
    this.isWritingPaused = false;
    this.#run("resumeWriting", () => this.user.resumeWriting());
  }

  closed(reason: Error | null): void {
    this.#checkEntry("closed");
    this.isClosed = true;
    this.#ledger.open.delete(this);
    if (reason !== null && !(reason instanceof Error)) {
      this.#ledger.note("the selector gave closed a reason that is neither null nor an Error");
    }
    this.#checkReason(reason);
    if (!this.outer!.isClosing) this.#ledger.note("isClosing was false when closed came");
    if (this.chunksHeld > 0) {
      this.#ledger.note(
        `the selector had not released ${this.chunksHeld} shared chunk(s) when it called closed`,
      );
    }
    this.#ledger.within(this, "closed", false, () => this.user.closed(reason));
  }

  #checkReason(reason: Error | null): void {
    if (!this.isAborted) return;
    const isRight = reason instanceof SelectorClosedError || // By then it was aborted already.
      (this.abortReason === null ? reason instanceof ConnectionAbortedError : reason === this.abortReason);
    if (!isRight) this.#ledger.note(`closed got ${reason} as its reason, not the one given to abort`);
  }

  /** What holds for every method but `opened`: connection open, nobody on the stack who must not be there. */
  #checkEntry(method: string, mayCall: ReadonlySet<string> = new Set()): void {
    const ledger = this.#ledger;
    if (this.isClosed) ledger.fail(`the selector called ${method} after closed`);
    if (method !== "opened" && this.outer === null) {
      ledger.fail(`the selector called ${method} before opened`);
    }
    if (this.isAborted && method !== "closed") ledger.fail(`the selector called ${method} after abort`);
    const { top } = ledger;
    if (top === undefined) return;
    const isAllowed = top.isCall && top.connection === this && mayCall.has(top.name);
    if (!isAllowed) ledger.fail(`the selector called ${method} from inside ${top.name}`);
  }

  #checkReading(method: string): void {
    if (this.#isEnded) this.#ledger.fail(`the selector called ${method} after ended`);
    if (!this.isReading) this.#ledger.fail(`the selector called ${method} while reading was paused`);
    if (this.isCloseCalled) this.#ledger.fail(`the selector called ${method} after close`);
  }

  /** Runs a method of the protocol; what it throws must become the reason of `closed`. */
  #run<Result>(method: string, run: () => Result): Result {
    try {
      return this.#ledger.within(this, method, false, run);
    } catch (error) {
      if (!this.isAborted) {
        this.isAborted = true;
        this.abortReason = error instanceof Error ? error : null;
      }
      throw error;
    }
  }
}

/** The transport a protocol sees; see the module's text. */
export class CheckedTransport implements Transport {
  readonly #ledger: CheckLedger;
  readonly #check: ConnectionCheck;
  readonly #inner: Transport;

  /** @param check the connection it belongs to @param inner the transport under observation */
  constructor(ledger: CheckLedger, check: ConnectionCheck, inner: Transport) {
    this.#ledger = ledger;
    this.#check = check;
    this.#inner = inner;
  }

  get id(): number {
    return this.#inner.id;
  }

  get localAddr(): Addr {
    return this.#inner.localAddr;
  }

  get remoteAddr(): Addr {
    return this.#inner.remoteAddr;
  }

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes;
  }

  get confirmedBytes(): number {
    return this.#inner.confirmedBytes;
  }

  get isReading(): boolean {
    return this.#inner.isReading;
  }

  get isClosing(): boolean {
    return this.#inner.isClosing;
  }

  /** Whether this is a view of `inner`. */
  isOf(inner: Transport): boolean {
    return this.#inner === inner;
  }

  write(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) {
      this.#ledger.fail("the protocol gave write something else than a Uint8Array");
    }
    const copy = bytes.slice();
    this.#write("write", () => this.#inner.write(copy), () => bytes.length);
    copy.fill(POISON);
  }

  writeText(text: string): void {
    this.#write("writeText", () => this.#inner.writeText(text), () => new TextEncoder().encode(text).length);
  }

  writeLatin1(text: string): void {
    this.#write("writeLatin1", () => this.#inner.writeLatin1(text), () => text.length);
  }

  writeShared(chunk: SharedChunk): void {
    const watched = new WatchedChunk(this.#ledger, this.#check, chunk);
    try {
      this.#write("writeShared", () => this.#inner.writeShared(watched), () => chunk.bytes.length);
    } finally {
      watched.release();
    }
  }

  setWriteLimits(limits: { readonly highBytes: number; readonly lowBytes?: number }): void {
    this.#check.limits = resolveWriteLimits(limits);
    this.#call("setWriteLimits", () => this.#inner.setWriteLimits(limits));
  }

  pauseReading(): void {
    this.#check.isReading = false;
    this.#call("pauseReading", () => this.#inner.pauseReading());
    if (this.#inner.isReading) this.#ledger.fail("isReading was true after pauseReading");
  }

  resumeReading(): void {
    this.#check.isReading = true;
    this.#call("resumeReading", () => this.#inner.resumeReading());
    if (!this.#inner.isReading) this.#ledger.fail("isReading was false after resumeReading");
  }

  closeWrite(): void {
    this.#call("closeWrite", () => this.#inner.closeWrite());
  }

  close(): void {
    this.#check.isCloseCalled = true;
    this.#call("close", () => this.#inner.close());
    if (!this.#inner.isClosing) this.#ledger.fail("isClosing was false after close");
  }

  abort(reason?: Error): void {
    if (!this.#check.isClosed && !this.#check.isAborted) {
      this.#check.isAborted = true;
      this.#check.abortReason = reason ?? null;
    }
    this.#call("abort", () => this.#inner.abort(reason));
    if (!this.#inner.isClosing) this.#ledger.fail("isClosing was false after abort");
  }

  setProtocol(protocol: Protocol): void {
    this.#check.user = protocol;
  }

  /** A write: nothing may reach the kernel inside it, and the marks must be heeded. */
  #write(name: string, write: () => void, length: () => number): void {
    const before = this.#inner.bufferedBytes;
    const isDropped = this.#inner.isClosing;
    const { pauses } = this.#check;
    this.#call(name, write);
    if (isDropped || this.#inner.isClosing) return;
    const { bufferedBytes } = this.#inner;
    const { isWritingPaused, limits } = this.#check;
    const hasHeardNothing = pauses === this.#check.pauses; // A protocol may write more in pauseWriting.
    if (hasHeardNothing && bufferedBytes !== before + length()) {
      this.#ledger.fail(
        `bufferedBytes rose from ${before} to ${bufferedBytes} in a ${name} of ${length()} bytes`,
      );
    }
    if (bufferedBytes > limits.highBytes && !isWritingPaused) {
      this.#ledger.fail(`the selector did not call pauseWriting at ${bufferedBytes} bytes`);
    }
  }

  #call(name: string, call: () => void): void {
    this.#ledger.within(this.#check, name, true, call);
  }
}

/** Stands in for a shared chunk at the transport under observation. */
class WatchedChunk extends SharedChunk {
  readonly #ledger: CheckLedger;
  readonly #check: ConnectionCheck;
  readonly #chunk: SharedChunk;
  readonly #digest: number;

  constructor(ledger: CheckLedger, check: ConnectionCheck, chunk: SharedChunk) {
    chunk.retain();
    super(chunk.bytes);
    this.#ledger = ledger;
    this.#check = check;
    this.#chunk = chunk;
    this.#digest = digestOf(chunk.bytes);
    check.chunksHeld++;
  }

  override release(): void {
    super.release();
    if (this.refs > 0) return;
    this.#check.chunksHeld--;
    if (digestOf(this.bytes) !== this.#digest) {
      this.#ledger.note("the bytes of a shared chunk were written to while a transport held it");
    }
    this.#chunk.release();
  }
}

/** FNV-1a, 32 bits: enough to notice a change. Source: draft-eastlake-fnv. */
function digestOf(bytes: Uint8Array): number {
  let digest = 0x811c9dc5;
  for (const byte of bytes) digest = Math.imul(digest ^ byte, 0x01000193);
  return digest;
}

function checkAddr(ledger: CheckLedger, name: string, addr: Addr): void {
  const isRight = addr.transport === "unix"
    ? typeof addr.path === "string"
    : addr.transport === "tcp" && typeof addr.hostname === "string" && addr.hostname !== "" && addr.port > 0;
  if (!isRight) ledger.note(`${name} is not an address: ${JSON.stringify(addr)}`);
}

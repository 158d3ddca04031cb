/**
 * The demo's answer as it comes into being: one token after another, at the rate that was asked for.
 *
 * Strategy: one timer, armed for the moment when the next token is due; however late it fires, all tokens that are due by
 * then are made at once, so the rate holds on a busy loop. While the reader does not keep up, none are made.
 *
 * Invariant: after `stop` nothing is made any more and no timer is armed.
 *
 * @module
 */
import type { Selector, Timer } from "../../io/selector.ts";
import type { ChatRequest } from "./chat_request.ts";
import { DemoText } from "./demo_text.ts";

/** What a generation needs to know of time. */
export type DemoTime = Pick<Selector, "clock" | "timers">;

/** Who takes the tokens. */
export interface TokenSink {
  /** One token. Returns whether it takes more now; else it calls `resume` later. */
  token(text: string): boolean;
  /** All tokens were made. */
  done(): void;
  /** The upstream breaks off, as it was asked to. */
  broke(): void;
}

/** Tokens made in one turn at most, so that a stream without a rate leaves the loop to others. */
const TOKENS_PER_TURN_MAX = 256;

/** Makes the tokens of one answer. */
export class TokenStream {
  readonly #request: ChatRequest;
  readonly #time: DemoTime;
  readonly #sink: TokenSink;
  readonly #text: DemoText;
  readonly #timer: Timer;
  #startMs: number;
  #made = 0;
  #isStopped = false;
  #isHeld = false;

  /**
   * @param request what to make
   * @param time clock and timers
   * @param sink who takes the tokens
   */
  constructor(request: ChatRequest, time: DemoTime, sink: TokenSink) {
    this.#request = request;
    this.#time = time;
    this.#sink = sink;
    this.#text = new DemoText(request.seed);
    this.#timer = time.timers.idle(() => this.#make());
    this.#startMs = time.clock.now();
  }

  /** Tokens made so far. */
  get made(): number {
    return this.#made;
  }

  /** Makes the first token now, the others when they are due. */
  start(): void {
    this.#startMs = this.#time.clock.now();
    this.#make();
  }

  /** The sink takes tokens again. */
  resume(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#make();
  }

  /** Makes no more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel();
  }

  #make(): void {
    const { tokens, failAfter } = this.#request;
    const due = Math.min(this.#due(), this.#made + TOKENS_PER_TURN_MAX);
    while (!this.#isStopped && !this.#isHeld && this.#made < due) {
      if (this.#made === failAfter) return this.#break();
      if (this.#made === tokens) return this.#end();
      this.#made++;
      if (!this.#sink.token(this.#text.next())) this.#isHeld = true;
    }
    if (this.#isStopped || this.#isHeld) return;
    this.#timer.reset(this.#delayMs());
  }

  /** How many tokens are to have been made by now. One more than there are means that it is time for the end. */
  #due(): number {
    const { tokensPerSecond, tokens } = this.#request;
    if (tokensPerSecond === null) return tokens + 1;
    const elapsedMs = this.#time.clock.now() - this.#startMs;
    return 1 + Math.floor(elapsedMs * tokensPerSecond / 1_000);
  }

  #delayMs(): number {
    const { tokensPerSecond } = this.#request;
    if (tokensPerSecond === null) return 0;
    const dueMs = this.#startMs + this.#made * 1_000 / tokensPerSecond;
    return Math.max(0, dueMs - this.#time.clock.now());
  }

  #end(): void {
    this.stop();
    this.#sink.done();
  }

  #break(): void {
    this.stop();
    this.#sink.broke();
  }
}

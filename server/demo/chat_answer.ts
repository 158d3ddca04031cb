/**
 * The demo's answers in the shape of OpenAI's API: chunks of an event stream, or one object.
 *
 * @module
 */
import { SluiceError } from "../../io/errors.ts";
import type { BodyProducer, BodyWriter } from "../body_writer.ts";
import { type ChatRequest, DEMO_MODEL } from "./chat_request.ts";
import { type DemoTime, type TokenSink, TokenStream } from "./token_stream.ts";

/** What all answers are counted in. */
export interface DemoCounts {
  /** Tokens made. */
  tokens: number;
  /** Tokens of answers whose reader left before the end: made for nobody. */
  tokensForNobody: number;
  /** Answers whose reader left before the end. */
  abandoned: number;
  /** Answers being made now. */
  active: number;
}

/** The demo broke off an answer because the request asked for it. */
export class DemoFailureError extends SluiceError {
  /** @param tokens after how many tokens */
  constructor(tokens: number) {
    super("SLUICE_DEMO_FAILURE", `Cannot go on: the request asked for a failure after ${tokens} tokens`);
  }
}

/** Makes one answer and hands it to whoever sends it. Base of both kinds. */
abstract class Answer implements BodyProducer, TokenSink {
  readonly kind = "body";
  protected readonly request: ChatRequest;
  protected readonly createdS: number;
  protected readonly tokens: TokenStream;
  protected writer: BodyWriter | null = null;
  readonly #counts: DemoCounts;

  constructor(request: ChatRequest, time: DemoTime, counts: DemoCounts) {
    this.request = request;
    this.createdS = Math.floor(time.clock.wallMs() / 1_000);
    this.tokens = new TokenStream(request, time, this);
    this.#counts = counts;
  }

  /** Begins to make tokens. */
  start(writer: BodyWriter): void {
    this.writer = writer;
    this.#counts.active++;
    this.begin();
    this.tokens.start();
  }

  /** The reader keeps up again. */
  onDrain(): void {
    this.tokens.resume();
  }

  /** The reader left: no token is made any more. */
  onClosed(): void {
    if (this.writer === null) return;
    this.writer = null;
    this.tokens.stop();
    this.#counts.active--;
    this.#counts.abandoned++;
    this.#counts.tokensForNobody += this.tokens.made;
  }

  /** One token was made. */
  token(text: string): boolean {
    this.#counts.tokens++;
    this.take(text);
    return this.writer?.isPaused === false; // writing may have told that the reader is gone
  }

  /** All were made. */
  done(): void {
    const writer = this.writer!;
    this.writer = null;
    this.#counts.active--;
    this.finish(writer);
    writer.end();
  }

  /** It was asked to break off. */
  broke(): void {
    const writer = this.writer!;
    this.writer = null;
    this.#counts.active--;
    writer.abort(new DemoFailureError(this.tokens.made));
  }

  /** What comes before the first token. */
  protected abstract begin(): void;
  /** What becomes of one token. */
  protected abstract take(text: string): void;
  /** What comes after the last one. */
  protected abstract finish(writer: BodyWriter): void;

  /** What every object of the answer has in common. */
  protected envelope(object: string): Record<string, unknown> {
    return {
      id: `chatcmpl-demo-${this.request.seed.toString(16)}`,
      object,
      created: this.createdS,
      model: DEMO_MODEL,
    };
  }

  /** OpenAI's usage numbers. */
  protected usage(): Record<string, number> {
    const { promptTokens } = this.request;
    const completion = this.tokens.made;
    return {
      prompt_tokens: promptTokens,
      completion_tokens: completion,
      total_tokens: promptTokens + completion,
    };
  }

  /** Why the answer ends where it ends. */
  protected get finishReason(): string {
    return this.request.isCut ? "length" : "stop";
  }
}

/** An answer as events, one token each. */
export class StreamedAnswer extends Answer {
  protected begin(): void {
    this.#chunk({ role: "assistant", content: "" }, null);
  }

  protected take(text: string): void {
    this.#chunk({ content: text }, null);
  }

  protected finish(writer: BodyWriter): void {
    writer.writeText(
      this.#event([{ index: 0, delta: {}, logprobs: null, finish_reason: this.finishReason }]),
    );
    if (this.request.includesUsage) {
      writer.writeText(
        `data: ${
          JSON.stringify({ ...this.envelope("chat.completion.chunk"), choices: [], usage: this.usage() })
        }\n\n`,
      );
    }
    writer.writeText("data: [DONE]\n\n");
  }

  #chunk(delta: Record<string, string>, finishReason: string | null): void {
    this.writer!.writeText(this.#event([{ index: 0, delta, logprobs: null, finish_reason: finishReason }]));
  }

  #event(choices: unknown[]): string {
    return `data: ${JSON.stringify({ ...this.envelope("chat.completion.chunk"), choices })}\n\n`;
  }
}

/** An answer as one object, sent when its last token is made. */
export class WholeAnswer extends Answer {
  #text = "";

  protected begin(): void {}

  protected take(text: string): void {
    this.#text += text;
  }

  protected finish(writer: BodyWriter): void {
    const message = { role: "assistant", content: this.#text, refusal: null };
    writer.writeText(JSON.stringify({
      ...this.envelope("chat.completion"),
      choices: [{ index: 0, message, logprobs: null, finish_reason: this.finishReason }],
      usage: this.usage(),
    }));
  }
}

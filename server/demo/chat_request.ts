/**
 * Reads the body of a chat completion request as OpenAI's API has it, as far as the demo understands it, or says what is
 * wrong with it in that API's own words.
 *
 * Beside the API's fields it knows `sluice_demo`: `{ tokens_per_second, tokens, fail_after }`, see `DemoControls`. Fields
 * that would change the answer of a real model (`temperature`, `tools`, `stop`, …) are ignored.
 *
 * @module
 */
import { seedOf } from "./demo_text.ts";

/** How the demo behaves; each may be set in the request under `sluice_demo`. */
export interface DemoControls {
  /** Tokens per second, above 0 and up to 10,000; `null` for as fast as they are read. Default 50. */
  readonly tokensPerSecond: number | null;
  /** Tokens of the answer, 0 to 1,000,000. Default: 40 to 119, by the prompt. */
  readonly tokens: number;
  /** After how many tokens the connection breaks; `null` for never. */
  readonly failAfter: number | null;
}

/** A request that was understood. */
export interface ChatRequest extends DemoControls {
  /** Whether the answer is streamed. */
  readonly isStream: boolean;
  /** Whether a streamed answer ends with a chunk of usage numbers. */
  readonly includesUsage: boolean;
  /** Whether the length was cut by `max_tokens`. */
  readonly isCut: boolean;
  /** What the answer's text is made from. */
  readonly seed: number;
  /** Words of the prompt, which the demo takes for tokens. */
  readonly promptTokens: number;
}

/** What is wrong with a request, in OpenAI's shape. */
export interface ChatError {
  /** HTTP status. */
  readonly status: number;
  /** What is wrong. */
  readonly message: string;
  /** Which field, or `null`. */
  readonly param: string | null;
  /** OpenAI's code, or `null`. */
  readonly code: string | null;
}

/** The only model there is. */
export const DEMO_MODEL = "sluice-demo";

/** About as fast as people see tokens come from hosted models. */
const TOKENS_PER_SECOND = 50;
/** Above that a stream's timer would fire several times a millisecond; `null` is for those who want more. */
const TOKENS_PER_SECOND_MAX = 10_000;
/** An answer has this many tokens at least, and up to `TOKENS_EXTRA` more: a paragraph. */
const TOKENS_LEAST = 40;
/** See `TOKENS_LEAST`. */
const TOKENS_EXTRA = 80;
/** A bound, so that nobody asks for ever; at the default rate it lasts five hours. */
const TOKENS_MAX = 1_000_000;

type Json = Readonly<Record<string, unknown>>;

/** Thrown inside only: `parseChat` turns it into its result. */
class Complaint extends Error {
  readonly data: ChatError;
  constructor(message: string, param: string | null, status = 400, code: string | null = null) {
    super(message);
    this.data = { status, message, param, code };
  }
}

/**
 * Reads a request's body.
 *
 * @param text the body
 * @returns the request, or what is wrong with it
 */
export function parseChat(text: string): ChatRequest | ChatError {
  try {
    return readChat(parseObject(text));
  } catch (error) {
    if (error instanceof Complaint) return error.data;
    throw error;
  }
}

function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Complaint("We could not parse the JSON body of your request.", null);
  }
  if (!isObject(value)) throw new Complaint("The body of your request must be a JSON object.", null);
  return value;
}

function readChat(body: Json): ChatRequest {
  const { model } = body;
  if (typeof model !== "string") throw new Complaint("You must provide a model parameter.", "model");
  if (model !== DEMO_MODEL) {
    const message =
      `The model \`${model}\` does not exist: this is a demo, its only model is \`${DEMO_MODEL}\`.`;
    throw new Complaint(message, "model", 404, "model_not_found");
  }
  if (body.n !== undefined && body.n !== null && body.n !== 1) {
    throw new Complaint("The demo knows n = 1 only.", "n");
  }
  const prompt = promptOf(body.messages);
  const seed = seedOf(prompt);
  const controls = controlsOf(body.sluice_demo, seed);
  const cut = tokensMaxOf(body);
  const streamOptions = body.stream_options;
  return {
    ...controls,
    tokens: Math.min(controls.tokens, cut),
    isCut: controls.tokens > cut,
    isStream: body.stream === true,
    includesUsage: isObject(streamOptions) && streamOptions.include_usage === true,
    seed,
    promptTokens: prompt.split(/\s+/).filter((word) => word !== "").length,
  };
}

/** The text of all messages; parts that are no text (images, audio) are passed over. */
function promptOf(messages: unknown): string {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new Complaint("'messages' must be an array with at least one message.", "messages");
  }
  return messages.map((message: unknown, index) => {
    if (!isObject(message) || typeof message.role !== "string") {
      throw new Complaint(`'messages[${index}]' must be an object with a role.`, "messages");
    }
    const { content } = message;
    if (typeof content === "string") return content;
    if (!Array.isArray(content)) return "";
    return content.map((part: unknown) => isObject(part) && typeof part.text === "string" ? part.text : "")
      .join(" ");
  }).join("\n");
}

function tokensMaxOf(body: Json): number {
  const value = body.max_completion_tokens ?? body.max_tokens ?? TOKENS_MAX;
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw new Complaint("'max_tokens' must be a whole number from 1 on.", "max_tokens");
}

function controlsOf(value: unknown, seed: number): DemoControls {
  const controls = value ?? {};
  if (!isObject(controls)) throw new Complaint("'sluice_demo' must be an object.", "sluice_demo");
  const { tokens_per_second: rate = TOKENS_PER_SECOND, tokens, fail_after: failAfter = null } = controls;
  return {
    tokensPerSecond: rate === null ? null : inRange("tokens_per_second", rate, 0.001, TOKENS_PER_SECOND_MAX),
    tokens: wholeInRange("tokens", tokens ?? TOKENS_LEAST + seed % TOKENS_EXTRA),
    failAfter: failAfter === null ? null : wholeInRange("fail_after", failAfter),
  };
}

function wholeInRange(name: string, value: unknown): number {
  if (Number.isSafeInteger(value)) return inRange(name, value, 0, TOKENS_MAX);
  throw new Complaint(`'sluice_demo.${name}' must be a whole number.`, `sluice_demo.${name}`);
}

function inRange(name: string, value: unknown, least: number, most: number): number {
  if (typeof value === "number" && value >= least && value <= most) return value;
  throw new Complaint(
    `'sluice_demo.${name}' must be a number from ${least} to ${most}.`,
    `sluice_demo.${name}`,
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

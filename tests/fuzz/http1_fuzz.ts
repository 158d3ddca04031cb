/**
 * Fuzzes the HTTP/1.1 engine: whatever comes, it neither throws nor hangs, keeps its grammar of events, and says the same
 * for the same bytes in any split.
 *
 * Run: `deno run -A tests/fuzz/http1_fuzz.ts [inputs]`. `SLUICE_SEED` is the first seed; a failure names the seed that shows it
 * (`SLUICE_SEED=<seed> deno run -A tests/fuzz/http1_fuzz.ts 1`).
 */
import {
  type Fields,
  type Http1Error,
  type MessageLimits,
  type MessageParser,
  type MessageSink,
  type RequestHead,
  RequestParser,
  type ResponseHead,
  ResponseParser,
} from "../../server/http1/mod.ts";
import { seededRandom } from "../vectors/seeded_random.ts";
import { play, type Vector } from "../vectors/vector.ts";
import { type FuzzInput, fuzzInput } from "./http1_messages.ts";

/** Limits low enough to be reached. */
const LIMITS: MessageLimits = {
  startLineBytesMax: 200,
  headerBytesMax: 1000,
  headersMax: 20,
  bodyBytesMax: 100_000,
  chunkExtensionBytesMax: 50,
  trailerBytesMax: 200,
  trailersMax: 5,
};

/** One input of so many has every string of its heads read and looked at. */
const READ_EVERY = 8;

/** One input of so many is played in several splits. */
const SPLIT_EVERY = 24;

/** Bytes of the longest input: a few splices of the longest templates. */
const INPUT_BYTES_MAX = 1 << 18;

/** What a run saw. */
export interface FuzzReport {
  readonly inputs: number;
  /** Inputs that are one or more whole messages. */
  accepted: number;
  /** Inputs by the rule that refused them. */
  readonly refused: Map<string, number>;
  /** Messages heard to their end. */
  messages: number;
}

/** Says which input broke what, and how to see it again. */
export class FuzzFailure extends Error {
  constructor(seed: number, input: FuzzInput, what: string, options?: ErrorOptions) {
    const role = input.answers === null ? "requests" : `responses to ${input.answers}`;
    super(
      `${what}\n  input: ${JSON.stringify(input.wire)} (${role})\n` +
        `  replay: SLUICE_SEED=${seed} deno run -A tests/fuzz/http1_fuzz.ts 1`,
      options,
    );
    this.name = "FuzzFailure";
  }
}

/** A sink that insists on the grammar of events. */
class GrammarSink implements MessageSink<RequestHead & ResponseHead> {
  heads = 0;
  ends = 0;
  bodyBytes = 0;
  refusal: string | null = null;
  /** Whether heads are read to the last string. */
  readonly #isReading: boolean;
  #isInMessage = false;

  constructor(isReading: boolean) {
    this.#isReading = isReading;
  }

  head(head: RequestHead & ResponseHead): void {
    this.#expect(!this.#isInMessage, "a head inside a message");
    this.heads++;
    this.#isInMessage = !head.isInterim;
    if (this.#isReading) this.#read(head);
  }

  body(bytes: Uint8Array): void {
    this.#expect(this.#isInMessage, "a body without a head");
    this.#expect(bytes.length > 0, "an empty piece of body");
    this.bodyBytes += bytes.length;
  }

  end(trailers: Fields | null): void {
    this.#expect(this.#isInMessage, "an end without a head");
    this.#isInMessage = false;
    this.ends++;
    if (trailers !== null) this.#readFields(trailers);
  }

  error(error: Http1Error): void {
    this.#expect(this.refusal === null, "a second error");
    this.refusal = error.refusal;
  }

  #expect(is: boolean, otherwise: string): void {
    if (!is || (this.refusal !== null && otherwise !== "a second error")) {
      throw new RangeError(is ? "an event after the error" : otherwise);
    }
  }

  /** Looks at every string of a head: none may carry what would end a line or a word. */
  #read(head: RequestHead & ResponseHead): void {
    const kept = head.retain() as typeof head;
    if (kept.method === undefined) {
      if (!(kept.status >= 100 && kept.status <= 599)) throw new RangeError(`the status ${kept.status}`);
      if (/[^\t\x20-\x7e\x80-\xff]/.test(kept.reason)) throw new RangeError("a control in the reason");
    } else if (!/^[!#$%&'*+\-.^_`|~\w]+$/.test(kept.method) || !/^[!$-;=?-~]+$/.test(kept.target)) {
      throw new RangeError(`the request line ${JSON.stringify([kept.method, kept.target])}`);
    }
    const length = kept.getAll("content-length");
    if (length.length > 1 || (length.length === 1 && kept.has("transfer-encoding"))) {
      throw new RangeError("a head with two lengths");
    }
    this.#readFields(kept);
  }

  #readFields(fields: Fields): void {
    for (let i = 0; i < fields.count; i++) {
      const name = fields.nameAt(i);
      const value = fields.valueAt(i);
      if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) throw new RangeError(`the name ${JSON.stringify(name)}`);
      if (/[^\t\x20-\x7e\x80-\xff]|^[ \t]|[ \t]$/.test(value)) {
        throw new RangeError(`the value ${JSON.stringify(value)}`);
      }
    }
  }
}

function parserOf(input: FuzzInput, sink: GrammarSink): MessageParser {
  if (input.answers === null) return new RequestParser(sink, LIMITS);
  const parser = new ResponseParser(sink, LIMITS);
  for (const answer of input.answers) {
    const [method, offer] = answer.split("+");
    parser.expectResponseTo(method!, offer !== undefined);
  }
  return parser;
}

/** Feeds the bytes at once; tells what was broken, or `null`. */
function feedWhole(parser: MessageParser, sink: GrammarSink, bytes: Uint8Array): string | null {
  const taken = parser.feed(bytes);
  if (taken < 0 || taken > bytes.length) return `feed took ${taken} of ${bytes.length} bytes`;
  if (taken < bytes.length && !parser.isDone && !parser.isDead) {
    return `feed stopped at ${taken} for no reason`;
  }
  if (parser.isDead !== (sink.refusal !== null)) return "dead without an error, or the other way round";
  if (sink.bodyBytes > bytes.length) return "more body than bytes";
  const events = sink.heads + sink.ends;
  if (parser.isDead || parser.isDone) {
    if (parser.feed(bytes) !== 0 || sink.heads + sink.ends !== events) {
      return "something was parsed after the end";
    }
  }
  const wasDead = parser.isDead;
  parser.finish();
  if (!parser.isDone && !parser.isDead) return "neither done nor dead after the FIN";
  if (wasDead && sink.heads + sink.ends !== events) return "an event after the error";
  return null;
}

/** Plays the input in several splits and compares; tells what differs, or `null`. */
function compareSplits(input: FuzzInput, seed: number): string | null {
  const random = seededRandom(~seed);
  const vector: Vector = {
    name: "fuzz",
    wire: input.wire,
    events: [],
    limits: LIMITS,
    fin: true,
    ...(input.answers === null ? {} : { answers: input.answers }),
  };
  const { length } = input.wire;
  const whole = play(vector, []).join("\n");
  const every = Array.from({ length: Math.max(0, length - 1) }, (_, i) => i + 1);
  const some = [random(length + 1), random(length + 1)].sort((a, b) => a - b);
  for (const cuts of [every, some]) {
    for (const isPausing of [false, true]) {
      const parts = play(vector, cuts, isPausing).join("\n");
      if (parts === whole) continue;
      const how = `${cuts === every ? "byte by byte" : `cut at ${cuts}`}${isPausing ? ", paused" : ""}`;
      return `events differ ${how}:\n${parts}\ninstead of\n${whole}`;
    }
  }
  return null;
}

/**
 * Feeds inputs to the engine.
 *
 * @param firstSeed seed of the first input; the next one's is one more
 * @param inputs how many
 * @param onProgress called now and then with how many are done
 * @throws {FuzzFailure} the engine broke a rule
 */
export function fuzz(
  firstSeed: number,
  inputs: number,
  onProgress: (done: number) => void = () => {},
): FuzzReport {
  const report: FuzzReport = { inputs, accepted: 0, refused: new Map(), messages: 0 };
  const buffer = new Uint8Array(INPUT_BYTES_MAX);
  for (let i = 0; i < inputs; i++) {
    const seed = (firstSeed + i) | 0;
    const input = fuzzInput(seed, "both");
    const { wire } = input;
    for (let at = 0; at < wire.length; at++) buffer[at] = wire.charCodeAt(at);
    const sink = new GrammarSink(seed % READ_EVERY === 0);
    const parser = parserOf(input, sink);
    let broken: string | null;
    try {
      broken = feedWhole(parser, sink, buffer.subarray(0, wire.length));
      if (broken === null && seed % SPLIT_EVERY === 0 && !wire.includes("{")) {
        broken = compareSplits(input, seed);
      }
    } catch (cause) {
      throw new FuzzFailure(seed, input, `thrown: ${cause}`, { cause });
    }
    if (broken !== null) throw new FuzzFailure(seed, input, broken);
    report.messages += sink.ends;
    if (sink.refusal === null) report.accepted++;
    else report.refused.set(sink.refusal, (report.refused.get(sink.refusal) ?? 0) + 1);
    if (i % 65_536 === 65_535) onProgress(i + 1);
  }
  return report;
}

if (import.meta.main) {
  const seed = Number(Deno.env.get("SLUICE_SEED") ?? Date.now() % 1e9);
  const inputs = Number(Deno.args[0] ?? 1_000_000);
  const start = performance.now();
  const report = fuzz(seed, inputs, (done) => console.log(`${done} inputs`));
  console.log(`seed ${seed}: ${inputs} inputs in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  console.log(`${report.accepted} accepted, ${report.messages} messages`);
  for (const [refusal, count] of [...report.refused].sort((a, b) => b[1] - a[1])) {
    console.log(`${count}\t${refusal}`);
  }
}

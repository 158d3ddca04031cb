/**
 * What a wire vector is, and how one is played: the bytes, in any split, against the events expected of them.
 *
 * An event is one line of text:
 *
 * ```text
 * GET /path 1.1 [host: a | x: b] length=5 close upgrade continue    a request's head
 * 200 OK 1.1 [content-length: 5] length=5 close                      a response's head
 * body hello          the whole body: pieces in a row are joined, since where they part depends on the split
 * end                 or, with trailers: end [x: y]
 * error bare-lf       the refusal's id
 * rest xyz            what the parser left alone after the last message
 * ```
 *
 * @module
 */
import {
  type Fields,
  type Http1Error,
  MESSAGE_LIMITS_DEFAULT,
  type MessageHead,
  type MessageLimits,
  type MessageParser,
  type MessageSink,
  type RequestHead,
  RequestParser,
  RESPONSE_LIMITS_DEFAULT,
  type ResponseHead,
  ResponseParser,
} from "../../server/http1/mod.ts";

/** One message or several, as bytes and as events. */
export interface Vector {
  /** What it shows. */
  readonly name: string;
  /** The bytes, one code unit each; `{n}` stands for n times the letter `a`. */
  readonly wire: string;
  /** What the parser says. */
  readonly events: readonly string[];
  /** Methods that the responses answer; without it the bytes are requests. `GET+upgrade` offered an upgrade. */
  readonly answers?: readonly string[];
  /** Limits other than the defaults. */
  readonly limits?: Partial<MessageLimits>;
  /** Whether the peer's FIN comes after the bytes. */
  readonly fin?: boolean;
}

/** The bytes of a vector's wire. */
export function wireBytes(wire: string): Uint8Array {
  const text = wire.replace(/\{(\d+)\}/g, (_, count) => "a".repeat(Number(count)));
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** One code unit per byte. */
function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

function shownFields(fields: Fields): string {
  const lines = Array.from({ length: fields.count }, (_, i) => `${fields.nameAt(i)}: ${fields.valueAt(i)}`);
  return `[${lines.join(" | ")}]`;
}

function shownHead(head: MessageHead, start: string): string {
  const { framing } = head;
  const shown = [start, `1.${head.minorVersion}`, shownFields(head)];
  if (framing.kind === "length") shown.push(`length=${framing.length}`);
  else if (framing.kind !== "none") shown.push(framing.kind === "close" ? "until-close" : framing.kind);
  if (!head.keepAlive) shown.push("close");
  if (head.isUpgrade) shown.push("upgrade");
  return shown.join(" ");
}

/** Writes the events down. */
export class Recorder implements MessageSink<RequestHead & ResponseHead> {
  readonly events: string[] = [];
  /** Called after each event. */
  readonly #onEvent: () => void;
  #isInBody = false;

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  head(head: RequestHead & ResponseHead): void {
    const start = head.method === undefined ? `${head.status} ${head.reason}`.trim() : `${head.method} ${head.target}`;
    this.#add(shownHead(head, start) + (head.expectsContinue ? " continue" : "") + (head.isInterim ? " interim" : ""));
  }

  body(bytes: Uint8Array): void {
    const text = textOf(bytes);
    if (!this.#isInBody) this.events.push("body ");
    this.#isInBody = true;
    this.events[this.events.length - 1] += text;
    this.#onEvent();
  }

  end(trailers: Fields | null): void {
    this.#add(trailers === null ? "end" : `end ${shownFields(trailers)}`);
  }

  error(error: Http1Error): void {
    this.#add(`error ${error.refusal}`);
  }

  #add(event: string): void {
    this.#isInBody = false;
    this.events.push(event);
    this.#onEvent();
  }
}

/** A parser for the vector's role. */
function parserOf(vector: Vector, recorder: Recorder): MessageParser {
  if (vector.answers === undefined) {
    return new RequestParser(recorder, { ...MESSAGE_LIMITS_DEFAULT, ...vector.limits });
  }
  const parser = new ResponseParser(recorder, { ...RESPONSE_LIMITS_DEFAULT, ...vector.limits });
  for (const answer of vector.answers) {
    const [method, offer] = answer.split("+");
    parser.expectResponseTo(method!, offer === "upgrade");
  }
  return parser;
}

/**
 * Plays a vector.
 *
 * @param vector the vector
 * @param cuts where the bytes are cut, ascending
 * @param isPausing whether the sink pauses the parser in every event, and is resumed with what was left over
 * @returns the events
 */
export function play(vector: Vector, cuts: readonly number[], isPausing = false): string[] {
  const bytes = wireBytes(vector.wire);
  let calls = 0;
  const recorder = new Recorder(() => {
    calls++;
    if (isPausing) parser.pause();
  });
  const parser = parserOf(vector, recorder);
  let rest = "";
  const feed = (piece: Uint8Array): void => {
    let left = piece;
    do {
      calls = 0;
      parser.resume();
      // A copy, wiped after: whatever is kept without `retain` shows up as garbage.
      const lent = left.slice();
      const taken = parser.feed(lent);
      lent.fill(0x21);
      if (isPausing && calls > 1) throw new RangeError(`${calls} events came after pause()`);
      left = left.subarray(taken);
    } while (calls > 0);
    rest += textOf(left);
  };
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    feed(bytes.subarray(from, cut));
    from = cut;
  }
  if (vector.fin) {
    parser.resume();
    parser.finish();
    if (isPausing) feed(new Uint8Array(0));
  }
  if (parser.isDone && rest !== "") recorder.events.push(`rest ${rest}`);
  else if (!parser.isDead && rest !== "") throw new RangeError(`the parser left ${rest.length} bytes alone`);
  return recorder.events;
}

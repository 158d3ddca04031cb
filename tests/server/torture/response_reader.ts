/**
 * Reads the responses of one connection as they come, and looks at every byte of them: a client's parser that shares nothing with
 * the server's.
 *
 * @module
 */
import type { Plan } from "./plan.ts";

/** What is read next. */
type State = "head" | "length" | "chunk-size" | "chunk" | "chunk-end" | "trailers" | "until-end" | "over";

/** A final response's head that was read. */
export interface Answer {
  readonly status: number;
  /** Whether the service made it, with the request's own status: its body is known. */
  readonly isPlanned: boolean;
  /** Whether it says that the connection ends. */
  readonly isLast: boolean;
}

/** More than a head of the service or the gateway has. */
const HEAD_LENGTH_MAX = 4_000;

/** See the module's text. */
export class ResponseReader {
  /** How many responses are whole. */
  complete = 0;
  /** The response that is being read, or was read last, once its head is there. */
  answer: Answer | null = null;
  /** Whether the server asked for the body of the present request. */
  isContinued = false;
  /** Whether a response said that the connection ends with it. */
  saidLast = false;
  /** Whether the head of the present response has come. */
  isInBody = false;
  readonly #plans: readonly Plan[];
  readonly #fault: (text: string) => void;
  #state: State = "head";
  #rest = "";
  /** Bytes left of the body, or of the chunk. */
  #left = 0;
  /** Bytes of the body that have come. */
  #at = 0;
  #body = "";

  /** Whether the client has gone wrong itself, so that it may be told so. */
  readonly #isBroken: () => boolean;

  /** @param plans the requests, in order @param isBroken whether the client left @param fault told what is wrong */
  constructor(plans: readonly Plan[], isBroken: () => boolean, fault: (text: string) => void) {
    this.#plans = plans;
    this.#isBroken = isBroken;
    this.#fault = fault;
  }

  /** Where it is, for a message. */
  get place(): string {
    const plan = this.#plans[this.complete];
    if (plan === undefined) return "behind the last response";
    const { kind, id, method, isVia, isOld } = plan;
    return `${method}${isVia ? " via" : ""}${
      isOld ? " (1.0)" : ""
    } ${kind} ${id}, ${this.#state} at ${this.#at} of ${plan.body.length}`;
  }

  /** Bytes came. */
  feed(text: string): void {
    this.#rest += text;
    while (this.#rest !== "" && this.#step());
  }

  /** The connection ended in order. */
  end(): void {
    if (this.#state === "until-end") this.#whole();
    this.#state = "over";
  }

  #wrong(text: string): boolean {
    this.#fault(`${text} (${this.place}; ${JSON.stringify(this.#rest.slice(0, 100))})`);
    this.#state = "over";
    return false;
  }

  /** Reads the next part if it is there. */
  #step(): boolean {
    switch (this.#state) {
      case "head":
        return this.#head();
      case "chunk-size":
        return this.#line((line) => {
          this.#left = parseInt(line, 16);
          if (!/^[0-9a-f]+$/i.test(line)) return this.#wrong("no chunk's size");
          this.#state = this.#left === 0 ? "trailers" : "chunk";
          return true;
        });
      case "chunk-end":
        return this.#line((line) => {
          this.#state = "chunk-size";
          return line === "" || this.#wrong("no chunk's end");
        });
      case "trailers":
        return this.#line((line) => {
          if (line === "") return this.#whole();
          return line.toLowerCase() === `x-sum: ${this.#plans[this.complete]!.id}` ||
            this.#wrong("another's trailers");
        });
      case "over":
        return false;
      default:
        return this.#bodyBytes();
    }
  }

  #line(read: (line: string) => boolean): boolean {
    const end = this.#rest.indexOf("\r\n");
    if (end < 0) return this.#rest.length > HEAD_LENGTH_MAX && this.#wrong("no line");
    const line = this.#rest.slice(0, end);
    if (!read(line)) return false;
    this.#rest = this.#rest.slice(end + 2);
    return true;
  }

  #head(): boolean {
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end < 0) return this.#rest.length > HEAD_LENGTH_MAX && this.#wrong("no head");
    const plan = this.#plans[this.complete];
    if (plan === undefined || this.saidLast) return this.#wrong("a response too many");
    const head = this.#rest.slice(0, end + 2);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? NaN);
    if (!(status >= 100 && status < 600)) return this.#wrong("no head");
    const field = (name: string) => new RegExp(`\r\n${name}: ([^\r]*)\r\n`, "i").exec(head)?.[1] ?? null;
    if (status === 100) this.isContinued = true;
    else if (status === 103 && plan.kind !== "hints") return this.#wrong("hints of another");
    if (status >= 200 || status === 101) {
      if (!this.#begin(plan, status, field)) return false;
    }
    this.#rest = this.#rest.slice(end + 4);
    if (status < 200 && status !== 101) return true;
    return this.#frame(plan, status, field);
  }

  /** Looks at a final head. */
  #begin(plan: Plan, status: number, field: (name: string) => string | null): boolean {
    const id = field("x-id");
    if (id !== null && id !== `${plan.id}`) return this.#wrong(`the response to ${id}`);
    const isPlanned = status === plan.status;
    const isUnnamed = status === 500 || plan.kind === "events";
    if (isPlanned && id === null && !isUnnamed) return this.#wrong("a response of nobody");
    const mayFail = plan.mayFail || (this.#isBroken() && (status === 400 || status === 499));
    if (!isPlanned && !mayFail) return this.#wrong(`the status ${status}`);
    this.saidLast = /close/i.test(field("connection") ?? "");
    this.answer = { status, isPlanned, isLast: this.saidLast };
    this.isInBody = true;
    return true;
  }

  /** How its body ends (RFC 9112 §6.3). */
  #frame(plan: Plan, status: number, field: (name: string) => string | null): boolean {
    this.#at = 0;
    this.#body = "";
    const length = field("content-length");
    if (plan.method === "HEAD" || status === 204 || status === 304) {
      const isRight = length === null || status !== 200 || Number(length) === plan.body.length;
      return isRight ? this.#whole() : this.#wrong(`the length ${length}`);
    }
    if (field("transfer-encoding") === "chunked") this.#state = "chunk-size";
    else if (length !== null) {
      this.#left = Number(length);
      this.#state = "length";
      if (this.#left === 0) return this.#whole();
    } else {
      this.#left = Infinity;
      this.#state = "until-end";
      if (status !== 101) this.saidLast = true;
    }
    return true;
  }

  #bodyBytes(): boolean {
    const bytes = this.#rest.slice(0, this.#left);
    const plan = this.#plans[this.complete]!;
    if (plan.kind === "events" || !this.answer!.isPlanned) this.#body += bytes;
    else if (!plan.body.startsWith(bytes, this.#at)) return this.#wrong("a byte that is not its own");
    this.#at += bytes.length;
    this.#left -= bytes.length;
    this.#rest = this.#rest.slice(bytes.length);
    if (this.#left > 0) return true;
    if (this.#state === "length") return this.#whole();
    this.#state = "chunk-end";
    return true;
  }

  /** The response is whole, by its framing. */
  #whole(): boolean {
    const plan = this.#plans[this.complete]!;
    const isBodiless = plan.method === "HEAD" || this.answer!.status === 204 || this.answer!.status === 304;
    if (this.answer!.isPlanned && !isBodiless) {
      if (plan.mustFail) return this.#wrong("a body that failed looks whole");
      if (plan.kind === "hijack" && this.#isBroken()) return true;
      const isWhole = plan.kind === "events"
        ? isWholeStream(this.#body, plan.body)
        : this.#at === plan.body.length;
      if (!isWhole) return this.#wrong("a part of a body looks whole");
    }
    this.complete++;
    this.isContinued = this.isInBody = false;
    this.#state = "head";
    return true;
  }
}

/** Whether it has all events, or those up to the server's stop. */
function isWholeStream(text: string, whole: string): boolean {
  if (text === whole) return true;
  const [, events] = /^([^]*)retry: ?\d+\n\n$/.exec(text) ?? [];
  return events !== undefined && whole.startsWith(events) && (events === "" || events.endsWith("\n\n"));
}

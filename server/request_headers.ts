/**
 * The `Headers` of a request, read straight from the bytes of its head.
 *
 * Strategy: most handlers ask for one or two fields, if any, so `get`, `has` and `getSetCookie` look them up in the
 * head and make a string of what is asked for only. A real `Headers` is built when somebody iterates, or when the
 * runtime wants one (see `web_stand_in.ts`).
 *
 * It is immutable, as the Fetch standard's are for a request a server received and as `Deno.serve`'s are: `set`,
 * `append` and `delete` throw a `TypeError`. Whoever wants other fields makes a new `Request` or `Headers` from it.
 *
 * Repeated fields are joined with ", " (RFC 9110 §5.3), `Cookie` with "; " (RFC 9113 §8.2.3: a comma would be part of
 * a cookie), `Set-Cookie` not at all.
 *
 * @module
 */
import type { Fields } from "./http1/message.ts";
import { forwardMembers } from "./web_stand_in.ts";

/** A field name as one may ask for it (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** The fields of a head as `Headers`; made by `createHeaders`. */
class RequestHeaders {
  readonly #fields: Fields;
  #real: Headers | null = null;

  constructor(fields: Fields) {
    this.#fields = fields;
  }

  get(name: string): string | null {
    const lower = lowerName(name, arguments.length, "get");
    const fields = this.#fields;
    const first = fields.get(lower);
    if (first === null || fields.count === 1) return first;
    const all = fields.getAll(lower);
    return all.length === 1 ? first : all.join(lower === "cookie" ? "; " : ", ");
  }

  has(name: string): boolean {
    return this.#fields.has(lowerName(name, arguments.length, "has"));
  }

  getSetCookie(): string[] {
    return this.#fields.getAll("set-cookie");
  }

  append(_name: string, _value: string): void {
    throw immutable("append");
  }

  set(_name: string, _value: string): void {
    throw immutable("set");
  }

  delete(_name: string): void {
    throw immutable("delete");
  }

  /** The real `Headers`, built once. */
  static realOf(self: object): Headers {
    const headers = self as RequestHeaders;
    return headers.#real ??= build(headers.#fields);
  }
}

Object.setPrototypeOf(RequestHeaders.prototype, Headers.prototype);
Object.defineProperty(RequestHeaders.prototype, "constructor", { value: Headers, enumerable: false });
forwardMembers<Headers>(RequestHeaders.prototype, new Headers(), RequestHeaders.realOf);

/**
 * Makes the `Headers` of a head.
 *
 * @param fields the head; it must last, see `RequestHead.retain`
 */
export function createHeaders(fields: Fields): Headers {
  return new RequestHeaders(fields) as unknown as Headers;
}

function build(fields: Fields): Headers {
  const headers = new Headers();
  let cookie: string | null = null;
  for (let i = 0; i < fields.count; i++) {
    const name = fields.nameAt(i);
    const value = fields.valueAt(i);
    if (name === "cookie") cookie = cookie === null ? value : `${cookie}; ${value}`;
    else headers.append(name, value);
  }
  if (cookie !== null) headers.append("cookie", cookie);
  return headers;
}

/** The name to look for; checked as the web's methods do. */
function lowerName(name: unknown, count: number, method: string): string {
  if (count === 0) throw new TypeError(`Cannot ${method} a header: no name was given`);
  const text = String(name);
  if (!TOKEN.test(text)) {
    throw new TypeError(`Cannot ${method} a header: ${JSON.stringify(text)} is no field name`);
  }
  return text.toLowerCase();
}

function immutable(method: string): TypeError {
  return new TypeError(`Cannot ${method} a header: the headers of a received request are immutable`);
}

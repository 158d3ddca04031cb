/**
 * What `new Response` makes of what it is given: values by which a `Reply` is judged on every runtime.
 *
 * They follow the Fetch standard (https://fetch.spec.whatwg.org/#initialize-a-response and "extract a body") and were
 * recorded from Deno 2.9.6 and Node 24, which agree; there the runtime's own `Response` is held against them as well. Bun's
 * is not: it gives text no content type before it is sent (https://github.com/oven-sh/bun/issues/8530), and takes a
 * body with 204 and a line break in a status text.
 *
 * @module
 */

/** What both constructors are given. */
export type Arguments = [body: BodyInit | null, init?: ResponseInit];

/** What a response shows. */
export interface Shown {
  readonly status?: number;
  readonly statusText?: string;
  /** As `Headers` gives them: sorted, repeated ones joined, `set-cookie` apart. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Its body as text; `null` for no body. */
  readonly body: string | null;
  /** The type of its `blob()`, when that is not the content type in lower case. */
  readonly blobType?: string;
}

const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

const TEXT = ["content-type", "text/plain;charset=UTF-8"] as const;

/** Arguments, as a function since some bodies can be used once, and what is shown. */
export const REPLIES: Readonly<Record<string, readonly [() => Arguments, Shown]>> = {
  "nothing": [() => [null], { body: null }],
  "undefined": [() => [undefined as unknown as null], { body: null }],
  "text": [() => ["h\u00e9llo"], { headers: [TEXT], body: "h\u00e9llo" }],
  "empty text": [() => [""], { headers: [TEXT], body: "" }],
  "text with another type": [
    () => ["<p>", { headers: { "content-type": "text/html" } }],
    { headers: [["content-type", "text/html"]], body: "<p>" },
  ],
  "text with a status": [
    () => ["made", { status: 201, statusText: "Made" }],
    { status: 201, statusText: "Made", headers: [TEXT], body: "made" },
  ],
  "headers as pairs": [
    () => ["x", { headers: [["a", "1"], ["A", "2"], ["set-cookie", "b=c"], ["set-cookie", "d=e"]] }],
    { headers: [["a", "1, 2"], TEXT, ["set-cookie", "b=c"], ["set-cookie", "d=e"]], body: "x" },
  ],
  "headers as Headers": [
    () => ["x", { headers: new Headers({ "x-a": "1", "content-type": "text/css" }) }],
    { headers: [["content-type", "text/css"], ["x-a", "1"]], body: "x" },
  ],
  "headers as a record": [
    () => ["x", { headers: { "X-Mixed-Case": "  trimmed\t", empty: "" } }],
    { headers: [TEXT, ["empty", ""], ["x-mixed-case", "trimmed"]], body: "x" },
  ],
  "init as a Response": [
    () => ["x", new Response(null, { status: 404, headers: { "x-a": "1" } })],
    { status: 404, headers: [TEXT, ["x-a", "1"]], body: "x" },
  ],
  "init null": [() => ["x", null as unknown as ResponseInit], { headers: [TEXT], body: "x" }],
  "bytes": [() => [utf8("bytes")], { body: "bytes" }],
  "a part of a buffer": [() => [utf8("bytes").subarray(1, 3)], { body: "yt" }],
  "an ArrayBuffer": [() => [utf8("buffer").buffer], { body: "buffer" }],
  "a DataView": [() => [new DataView(utf8("0123456").buffer, 2, 3)], { body: "234" }],
  "a blob": [
    () => [new Blob(["blob"], { type: "text/x-blob" })],
    { headers: [["content-type", "text/x-blob"]], body: "blob" },
  ],
  "a blob without type": [() => [new Blob(["blob"])], { body: "blob" }],
  "parameters": [
    () => [new URLSearchParams({ a: "1", b: "\u00e9" })],
    {
      headers: [["content-type", "application/x-www-form-urlencoded;charset=UTF-8"]],
      body: "a=1&b=%C3%A9",
    },
  ],
  "a stream": [() => [new Blob(["streamed"]).stream()], { body: "streamed" }],
  "no content": [() => [null, { status: 204 }], { status: 204, body: null }],
  "not modified": [
    () => [null, { status: 304, headers: { etag: '"a"' } }],
    { status: 304, headers: [["etag", '"a"']], body: null },
  ],
  "a number, which is none of its types": [
    () => [5 as unknown as string],
    { headers: [TEXT], body: "5" },
  ],
  "a plain object, which is none of its types": [
    () => [{} as unknown as string],
    { headers: [TEXT], body: "[object Object]" },
  ],
};

/** What is refused, and the kind of error. */
export const REFUSED_REPLIES: Readonly<
  Record<string, readonly [() => Arguments, typeof TypeError | typeof RangeError]>
> = {
  "a status below 200": [() => ["x", { status: 199 }], RangeError],
  "a status above 599": [() => ["x", { status: 600 }], RangeError],
  "a body with 204": [() => ["", { status: 204 }], TypeError],
  "a body with 304": [() => [utf8("x"), { status: 304 }], TypeError],
  "a status text with a line break": [() => [null, { statusText: "a\r\nb" }], TypeError],
  "a header name with a space": [() => [null, { headers: { "a b": "c" } }], TypeError],
  "an empty header name": [() => [null, { headers: { "": "c" } }], TypeError],
  "a header value with a line break": [() => [null, { headers: { a: "b\r\nc: d" } }], TypeError],
  "a header value beyond bytes": [() => [null, { headers: { a: "\u0100" } }], TypeError],
  "a header entry that is no pair": [() => [null, { headers: [["a"]] as never }], TypeError],
  "headers that are none": [() => [null, { headers: 5 as never }], TypeError],
  "a locked stream": [() => [lockedStream()], TypeError],
};

function lockedStream(): ReadableStream {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
}

/** `Response.json` of a value, and what is shown. */
export const JSON_REPLIES: readonly (readonly [data: unknown, init: ResponseInit | undefined, Shown])[] = [
  [{ a: [1, null] }, undefined, { headers: [["content-type", "application/json"]], body: '{"a":[1,null]}' }],
  ["text", { status: 202 }, {
    status: 202,
    headers: [["content-type", "application/json"]],
    body: '"text"',
  }],
  [1, { headers: { "content-type": "a/b" } }, { headers: [["content-type", "a/b"]], body: "1" }],
];

/**
 * Where the engine is not as strict as it could be, and why, as data: the other half of what `refusals.ts` publishes.
 *
 * A leniency is here because the RFC demands it, or because real peers need it and no two parsers could disagree on where
 * a message ends because of it.
 *
 * @module
 */

/** One thing that is let through. */
export interface Leniency {
  /** Where it is from. */
  readonly section: string;
  /** What is accepted. */
  readonly accepted: string;
  /** Why. */
  readonly reason: string;
  /** Which messages the examples are. */
  readonly role: "request" | "response";
  /** Messages that are accepted. One code unit per byte. */
  readonly examples: readonly string[];
}

/** All of them. */
export const LENIENCIES: readonly Leniency[] = [
  {
    section: "RFC 9112 §2.2",
    accepted: "one empty line before a request line",
    reason: "the RFC asks for it; some clients send one after a body",
    role: "request",
    examples: ["\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  },
  {
    section: "RFC 9110 §2.5",
    accepted: "HTTP/1.2 to HTTP/1.9, as 1.1",
    reason: "a minor version never changes how a message is read",
    role: "request",
    examples: ["GET / HTTP/1.2\r\nHost: a\r\n\r\n"],
  },
  {
    section: "RFC 9110 §9.1",
    accepted: "any token as the method",
    reason: "methods are extensible; which exist is the handler's to say (405, 501)",
    role: "request",
    examples: ["BREW / HTTP/1.1\r\nHost: a\r\n\r\n"],
  },
  {
    section: "RFC 3986 §2",
    accepted: "``\\ ^ ` { | }`` and `%` without two digits in the target",
    reason: "the URL standard leaves them raw, so browsers send them",
    role: "request",
    examples: ["GET /?a={b}|c^d`e\\f&100% HTTP/1.1\r\nHost: a\r\n\r\n"],
  },
  {
    section: "RFC 9112 §3.2.2",
    accepted: "an absolute-form target whose authority is not Host's",
    reason: "the RFC says that the target wins",
    role: "request",
    examples: ["GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  },
  {
    section: "RFC 9110 §7.2",
    accepted: "an empty Host",
    reason: "clients must send it for a target without authority",
    role: "request",
    examples: ["GET / HTTP/1.1\r\nHost:\r\n\r\n"],
  },
  {
    section: "RFC 9110 §9.3.1",
    accepted: "content with any method but CONNECT",
    reason: "its framing does not depend on the method (RFC 9112 §6)",
    role: "request",
    examples: ["GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"],
  },
  {
    section: "RFC 9110 §5.5",
    accepted: "obs-text (0x80 to 0xff) in values and reason phrases, byte for byte",
    reason: "the RFC asks to take it as opaque; it ends nothing",
    role: "request",
    examples: ["GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9\r\n\r\n"],
  },
  {
    section: "RFC 9110 §5.6.1",
    accepted: "empty elements in Connection",
    reason: "the RFC asks for it; it frames nothing",
    role: "request",
    examples: ["GET / HTTP/1.1\r\nHost: a\r\nConnection: ,x,,y\r\n\r\n"],
  },
  {
    section: "RFC 9110 §8.6, RFC 9112 §7.1",
    accepted: "leading zeros in Content-Length and chunk sizes, up to 16 digits in all",
    reason: "both grammars have them",
    role: "request",
    examples: [
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 002\r\n\r\nhi",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n02\r\nhi\r\n000\r\n\r\n",
    ],
  },
  {
    section: "RFC 9112 §7.1.1",
    accepted: "well-formed chunk extensions, ignored",
    reason: "the RFC asks for it; their bytes are bounded",
    role: "request",
    examples: [
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a="b c"\r\nhi\r\n0\r\n\r\n',
    ],
  },
  {
    section: "RFC 9110 §6.5.1",
    accepted: "trailers that cannot be any (authentication, content, caching, …), dropped",
    reason: "by then the request was understood without them; those that frame or route are refused",
    role: "request",
    examples: [
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: x\r\n\r\n",
    ],
  },
  {
    section: "RFC 9110 §10.1.1, §7.8",
    accepted: "Expect: 100-continue and Upgrade on HTTP/1.0, or h2c as the only upgrade, ignored",
    reason: "the RFC asks for it",
    role: "request",
    examples: [
      "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
  },
  {
    section: "RFC 9112 §4",
    accepted: "a status line that ends after the status, without a space",
    reason: "several servers leave it out with an empty reason phrase; nothing else it could mean",
    role: "response",
    examples: ["HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"],
  },
  {
    section: "RFC 9110 §8.6",
    accepted: "Content-Length: 0 in a 1xx or 204 response",
    reason: "many servers send it, and it says what is so",
    role: "response",
    examples: ["HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"],
  },
];

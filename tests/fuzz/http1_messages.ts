/**
 * Messages for the fuzz tests: valid ones, broken by rules that know their structure.
 *
 * Strategy: a message is a list of tokens (words, separators, ends of lines); a mutation drops, doubles, swaps or replaces
 * tokens, or puts in one of a dictionary of what parsers have been known to disagree on. So most inputs are nearly
 * valid, and their faults sit where a parser decides something. An input is a function of its seed alone.
 */
import { seededRandom } from "../vectors/seeded_random.ts";

/** A valid message to start from. */
export interface Template {
  /** Its tokens. */
  readonly tokens: readonly string[];
  /** Methods that the responses answer; `null` for requests. */
  readonly answers: readonly string[] | null;
}

/** An input to the engine. */
export interface FuzzInput {
  /** One code unit per byte. */
  readonly wire: string;
  /** As in `Template`. */
  readonly answers: readonly string[] | null;
  /** How many mutations were made; 0 for a valid message. */
  readonly mutations: number;
}

const CHUNKED_BODY = "5\r\nhello\r\na;name=value\r\n0123456789\r\n";

const REQUEST_WIRES = [
  "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
  "GET /path?query=1 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: wrk/4.2\r\nAccept: */*\r\n\r\n",
  "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
  "GET / HTTP/1.0\r\n\r\n",
  "HEAD /x HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n0123456789",
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}0\r\n\r\n`,
  `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n${CHUNKED_BODY}0\r\nx: y\r\n\r\n`,
  "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET http://b.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n",
  "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  'GET / HTTP/1.1\r\nHost: a\r\nCookie: a=b; c="d e"\r\nX-Empty:\r\nX-Obs: caf\xe9\r\n\r\n',
  "DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
];

const RESPONSE_WIRES: readonly (readonly [string, ...string[]])[] = [
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET"],
  [`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_BODY}0\r\nx: y\r\n\r\n`, "GET"],
  ["HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end", "GET"],
  ["HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "GET"],
  ["HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", "GET"],
  ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "POST"],
  ["HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "GET"],
  [
    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HEAD",
    "GET",
  ],
  ["HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x00", "GET+upgrade"],
  ["HTTP/1.1 200 OK\r\n\r\n\x16\x03", "CONNECT"],
  ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", "GET"],
];

/** What parsers have been known to read differently, and what separates things. */
const DICTIONARY = [
  ...[
    "\r\n",
    "\r\n\r\n",
    "\r",
    "\n",
    "\n\r",
    "\r\r\n",
    "\r\n ",
    "\r\n\t",
    " ",
    "  ",
    "\t",
    "\0",
    "\x0b",
    "\x7f",
    "\x80",
    "\xff",
  ],
  ...[
    ":",
    ": ",
    " :",
    ",",
    ", ",
    ";",
    "=",
    '"',
    "\\",
    "%",
    "%41",
    "#",
    "?",
    "/",
    "//",
    "*",
    "@",
    "[",
    "]",
    "(",
    "<",
    "|",
    "`",
  ],
  ...[
    "0",
    "1",
    "2",
    "5",
    "a",
    "F",
    "g",
    "00",
    "005",
    "-1",
    "+5",
    "0x5",
    "5 5",
    "5,5",
    "1e1",
    "ffffffffffffffff",
    "20000000000000",
  ],
  ...[
    "9007199254740991",
    "9007199254740992",
    "18446744073709551616",
    "0000000000000000",
    "00000000000000000",
  ],
  ...[
    "GET",
    "POST",
    "HEAD",
    "CONNECT",
    "OPTIONS",
    "PRI",
    "get",
    "M-SEARCH",
    "X",
    "http://a/",
    "https://u@b/",
    "a:1",
    "[::1]",
  ],
  ...[
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/1.2",
    "HTTP/2.0",
    "HTTP/0.9",
    "http/1.1",
    "HTTP/1.1 ",
    "HTTP/11",
    "200",
    "100",
    "101",
    "204",
  ],
  ...[
    "Host",
    "Host: b\r\n",
    "Content-Length",
    "Content-Length: 5\r\n",
    "content-length: 0\r\n",
    "Content_Length: 5\r\n",
  ],
  ...[
    "Transfer-Encoding",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "transfer-encoding:\tchunked\r\n",
  ],
  ...[
    "chunked",
    "Chunked",
    "identity",
    "gzip",
    "gzip, chunked",
    "chunked, chunked",
    "xchunked",
    "\x0bchunked",
    "chunked;q=1",
  ],
  ...[
    "Connection: close\r\n",
    "Connection",
    "close",
    "keep-alive",
    "upgrade",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "Expect",
  ],
  ...[
    "0\r\n\r\n",
    "1\r\nx\r\n",
    "0;a\r\n\r\n",
    '1;a="b"\r\nx\r\n',
    "1 \r\nx\r\n",
    "Authorization: x\r\n",
    "x: y\r\n",
    "x",
    "hello",
  ],
  ...["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(300), " ".repeat(40), "X-Many: 1\r\n".repeat(25)],
];

/** Cuts a message into ends of lines, runs of white space, words and single separators. */
function tokensOf(wire: string): string[] {
  return wire.match(/\r\n|[ \t]+|[\w.*-]+|[^]/g)!;
}

const TEMPLATES: readonly Template[] = [
  ...REQUEST_WIRES.map((wire) => ({ tokens: tokensOf(wire), answers: null })),
  ...RESPONSE_WIRES.map(([wire, ...answers]) => ({ tokens: tokensOf(wire), answers })),
];

type Random = (below: number) => number;

/** Changes the tokens in one place. */
type Mutation = (tokens: string[], at: number, random: Random) => void;

const MUTATIONS: readonly Mutation[] = [
  (tokens, at) => tokens.splice(at, 1),
  (tokens, at) => tokens.splice(at, 0, tokens[at]!),
  (tokens, at, random) => tokens.splice(at, 1, DICTIONARY[random(DICTIONARY.length)]!),
  (tokens, at, random) => tokens.splice(at, 0, DICTIONARY[random(DICTIONARY.length)]!),
  (tokens, at, random) => tokens.splice(at, 0, DICTIONARY[random(DICTIONARY.length)]!),
  // Swap with another.
  (tokens, at, random) => {
    const other = random(tokens.length);
    [tokens[at], tokens[other]] = [tokens[other]!, tokens[at]!];
  },
  // Change one byte.
  (tokens, at, random) => {
    const token = tokens[at]!;
    const i = random(token.length);
    tokens[at] = token.slice(0, i) + String.fromCharCode(random(256)) + token.slice(i + 1);
  },
  // Flip one bit, which turns CR into `-`, a space into NUL, a digit into a control.
  (tokens, at, random) => {
    const token = tokens[at]!;
    const i = random(token.length);
    tokens[at] = token.slice(0, i) + String.fromCharCode(token.charCodeAt(i) ^ (1 << random(8))) +
      token.slice(i + 1);
  },
  // Repeat.
  (tokens, at, random) => {
    tokens[at] = tokens[at]!.repeat(1 + random(20));
  },
  // Change the case.
  (tokens, at, random) => {
    tokens[at] = random(2) === 0 ? tokens[at]!.toUpperCase() : tokens[at]!.toLowerCase();
  },
  // Cut off.
  (tokens, at) => tokens.splice(at + 1),
  // Go on with the rest of another message.
  (tokens, at, random) => {
    const other = TEMPLATES[random(TEMPLATES.length)]!.tokens;
    tokens.splice(at, tokens.length - at, ...other.slice(random(other.length)));
  },
  // Double a line.
  (tokens, at) => {
    const start = tokens.lastIndexOf("\r\n", at) + 1;
    const end = tokens.indexOf("\r\n", at) + 1;
    if (end > start) tokens.splice(start, 0, ...tokens.slice(start, end));
  },
];

/** Mutations of one input at most; with more, the first fault hides the rest. */
const MUTATIONS_MAX = 4;

/**
 * Makes the input of a seed.
 *
 * @param seed any 32-bit number
 * @param role `"request"` for requests only
 */
export function fuzzInput(seed: number, role: "request" | "both"): FuzzInput {
  const random = seededRandom(seed);
  // Seeds in a row begin alike; the generator mixes well from the second number on.
  random(2);
  const count = role === "request" ? REQUEST_WIRES.length : TEMPLATES.length;
  const template = TEMPLATES[random(count)]!;
  const tokens = [...template.tokens];
  const mutations = random(MUTATIONS_MAX + 1);
  for (let i = 0; i < mutations && tokens.length > 0; i++) {
    // One in four anywhere; the others after the start line, whose faults would hide all others.
    const floor = random(4) === 0 ? 0 : tokens.indexOf("\r\n") + 1;
    const at = floor + random(tokens.length - floor);
    if (at < tokens.length && tokens[at] !== "") MUTATIONS[random(MUTATIONS.length)]!(tokens, at, random);
  }
  return { wire: tokens.join(""), answers: template.answers, mutations };
}

/**
 * Two engines joined by a fake wire: whatever one encodes, the other parses to the same message, in any split.
 */
import { assertEquals } from "@std/assert";
import {
  CHUNK_END,
  encodeChunkHeader,
  encodeInterimHead,
  encodeLastChunk,
  encodeRequestHead,
  encodeResponseHead,
  type Framing,
} from "../../../server/http1/mod.ts";
import { seededRandom } from "../../vectors/seeded_random.ts";
import { play } from "../../vectors/vector.ts";

type Random = (below: number) => number;

/** Messages of each role. */
const MESSAGES = 2_000;

const TOKEN_CHARS = "!#$%&'*+-.^_`|~019azAZ";
const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"];

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)]!;
}

function token(random: Random): string {
  // A prefix, so that it is none of the names the engine knows.
  return "x" + Array.from({ length: random(12) }, () => TOKEN_CHARS[random(TOKEN_CHARS.length)]).join("");
}

function value(random: Random): string {
  const chars = Array.from(
    { length: random(30) },
    () => pick(random, ["a", "Z", " ", "\t", "\xe9", "\x80", ":", ",", '"']),
  );
  return chars.join("").replace(/^[ \t]+|[ \t]+$/g, "");
}

function fields(random: Random): [string, string][] {
  return Array.from({ length: random(8) }, () => [token(random), value(random)]);
}

/** How the recorder shows them. */
function shown(lines: readonly (readonly [string, string])[]): string {
  return `[${lines.map(([name, text]) => `${name.toLowerCase()}: ${text}`).join(" | ")}]`;
}

/** A body, as it goes over the wire and as events. */
function body(random: Random, framing: Framing): { wire: string; events: string[] } {
  if (framing.kind === "none") return { wire: "", events: ["end"] };
  const parts = Array.from({ length: random(4) }, () => "b\r\n\0".repeat(1 + random(20)));
  const data = parts.join("");
  const events = data === "" ? [] : [`body ${data}`];
  if (framing.kind !== "chunked") return { wire: data, events: [...events, "end"] };
  const trailers = fields(random);
  const wire = parts.map((part) => encodeChunkHeader(part.length) + part + CHUNK_END).join("");
  return {
    wire: wire + encodeLastChunk(trailers),
    events: [...events, trailers.length === 0 ? "end" : `end ${shown(trailers)}`],
  };
}

/** Where to cut, at random. */
function cuts(random: Random, length: number): number[] {
  return Array.from({ length: random(4) }, () => random(length + 1)).sort((a, b) => a - b);
}

/** The framing with its body: a length is the body's own. */
function framed(
  random: Random,
  kinds: readonly Framing["kind"][],
): { framing: Framing; wire: string; events: string[] } {
  const kind = pick(random, kinds);
  const framing: Framing = kind === "length" ? { kind, length: 0 } : { kind };
  const made = body(random, framing);
  return { ...made, framing: kind === "length" ? { kind, length: made.wire.length } : framing };
}

function framingShown(framing: Framing): { line: [string, string][]; text: string } {
  if (framing.kind === "length") {
    return { line: [["content-length", String(framing.length)]], text: ` length=${framing.length}` };
  }
  if (framing.kind === "chunked") return { line: [["transfer-encoding", "chunked"]], text: " chunked" };
  return { line: [], text: "" };
}

Deno.test("requests that one engine writes, the other reads", () => {
  const random = seededRandom(11);
  for (let i = 0; i < MESSAGES; i++) {
    const method = pick(random, METHODS);
    const target = pick(random, ["/", "/a?b=%20", "http://h/x", "/" + "p".repeat(random(600))]);
    const lines = fields(random);
    const { framing, wire, events } = framed(random, ["none", "length", "chunked"]);
    const keepAlive = random(2) === 0;
    const sent = encodeRequestHead({ method, target, host: "h:1", fields: lines, framing, keepAlive }) + wire;
    const isEmpty = framing.kind === "none" && /^P(OS|U|ATCH)/.test(method);
    const told = framingShown(isEmpty ? { kind: "length", length: 0 } : framing);
    const all = [
      ["host", "h:1"] as const,
      ...lines,
      ...told.line,
      ...(keepAlive ? [] : [["connection", "close"] as const]),
    ];
    const head = `${method} ${target} 1.1 ${shown(all)}${told.text}${keepAlive ? "" : " close"}`;
    const vector = { name: `request ${i}`, wire: sent, events: [head, ...events] };
    assertEquals(play(vector, cuts(random, sent.length)), vector.events);
  }
});

Deno.test("responses that one engine writes, the other reads", () => {
  const random = seededRandom(13);
  for (let i = 0; i < MESSAGES; i++) {
    const status = pick(random, [200, 201, 299, 404, 500, 599]);
    const lines = fields(random);
    const minorVersion = random(4) === 0 ? 0 : 1;
    const kinds = ["length", "close", ...(minorVersion === 1 ? ["chunked"] as const : [])] as const;
    const { framing, wire, events } = framed(random, kinds);
    const keepAlive = framing.kind !== "close" && random(2) === 0;
    const interim = "HTTP/1.1 103 Early Hints\r\n";
    const early = random(3) === 0 ? encodeInterimHead(103, lines) : "";
    const sent = early +
      encodeResponseHead({
        status,
        statusText: "So",
        fields: lines,
        framing,
        method: "GET",
        minorVersion,
        keepAlive,
        date: null,
      }) +
      wire;
    const told = framingShown(framing);
    const option: [string, string][] = !keepAlive
      ? [["connection", "close"]]
      : minorVersion === 0
      ? [["connection", "keep-alive"]]
      : [];
    const head = `${status} So 1.1 ${shown([...lines, ...told.line, ...option])}` +
      (framing.kind === "close" ? " until-close" : told.text) + (keepAlive ? "" : " close");
    const expected = [
      ...(early === "" ? [] : [`${interim.slice(9, -2)} 1.1 ${shown(lines)} interim`]),
      head,
      ...events,
    ];
    const vector = {
      name: `response ${i}`,
      wire: sent,
      events: expected,
      answers: ["GET"],
      fin: framing.kind === "close",
    };
    assertEquals(play(vector, cuts(random, sent.length)), vector.events);
  }
});

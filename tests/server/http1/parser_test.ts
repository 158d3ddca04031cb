import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  LocalProtocolError,
  REFUSALS,
  type RequestHead,
  RequestParser,
  ResponseParser,
} from "../../../server/http1/mod.ts";
import { EXPECTED_RESPONSES_MAX } from "../../../server/http1/limits.ts";
import { CHUNKED } from "../../vectors/chunked.ts";
import { LIMITS } from "../../vectors/limits.ts";
import { REQUESTS } from "../../vectors/requests.ts";
import { RESPONSES } from "../../vectors/responses.ts";
import { play, Recorder, type Vector, wireBytes } from "../../vectors/vector.ts";
import { sampleSize } from "../../support/sample_size.ts";
import { seededRandom } from "../../vectors/seeded_random.ts";

/** Splits of a long vector that are tried: beyond, only every so many-th byte. */
const SPLITS_MAX = sampleSize(600, 100);

/** Vectors made of the refusal table's examples; what comes before the error is not looked at. */
const REFUSED: readonly Vector[] = REFUSALS.flatMap((row) =>
  row.examples.map((wire, index): Vector => ({
    name: `refused ${row.id} ${index}`,
    wire,
    events: [`error ${row.id}`],
    ...(row.role === "response" ? { answers: ["GET"] } : {}),
  }))
);

const GROUPS: readonly (readonly [string, readonly Vector[]])[] = [
  ["requests", REQUESTS],
  ["chunked bodies", CHUNKED],
  ["limits and ends", LIMITS],
  ["responses", RESPONSES],
  ["refusals", REFUSED],
];

/** Every position in the vector, or an even choice of them. */
function positions(vector: Vector): number[] {
  const { length } = wireBytes(vector.wire);
  const step = Math.max(1, Math.floor(length / SPLITS_MAX));
  return Array.from({ length: Math.max(0, Math.ceil((length - 1) / step)) }, (_, i) => 1 + i * step);
}

/** Compares with what the vector expects; a refusal's example only by its last event. */
function check(vector: Vector, how: string, cuts: readonly number[], isPausing = false): void {
  const events = play(vector, cuts, isPausing);
  const compared = REFUSED.includes(vector) ? events.slice(-1) : events;
  assertEquals(compared, [...vector.events], `${vector.name}, ${how}`);
}

for (const [group, vectors] of GROUPS) {
  Deno.test(`${group}: ${vectors.length} vectors, whole`, () => {
    for (const vector of vectors) check(vector, "whole", []);
  });

  Deno.test(`${group}: byte by byte`, () => {
    for (const vector of vectors) {
      const every = Array.from({ length: Math.max(0, wireBytes(vector.wire).length - 1) }, (_, i) => i + 1);
      check(vector, "byte by byte", every);
    }
  });

  Deno.test(`${group}: in two at every position, at ${SPLITS_MAX} at most`, () => {
    for (const vector of vectors) {
      for (const cut of positions(vector)) check(vector, `cut at ${cut}`, [cut]);
    }
  });

  Deno.test(`${group}: in three at random`, () => {
    const random = seededRandom(1);
    for (const vector of vectors) {
      const { length } = wireBytes(vector.wire);
      for (let i = 0; i < 20; i++) {
        const cuts = [random(length + 1), random(length + 1)].sort((a, b) => a - b);
        check(vector, `cut at ${cuts}`, cuts);
      }
    }
  });

  Deno.test(`${group}: paused at every event, whole and in two`, () => {
    for (const vector of vectors) {
      check(vector, "paused", [], true);
      for (const cut of positions(vector).filter((_, i) => i % 7 === 0)) {
        check(vector, `paused, cut at ${cut}`, [cut], true);
      }
    }
  });
}

Deno.test("there are at least 300 vectors", () => {
  assert(GROUPS.reduce((sum, [, vectors]) => sum + vectors.length, 0) >= 300);
});

Deno.test("a head that is not retained cannot be read after the call", () => {
  let kept: RequestHead | undefined;
  const parser = new RequestParser({
    head: (head) => {
      kept = head;
    },
    body: () => {},
    end: () => {},
    error: () => {},
  });
  parser.feed(wireBytes("GET /some/path HTTP/1.1\r\nHost: a\r\n\r\n"));
  for (
    const read of [() => kept!.target, () => kept!.get("host"), () => kept!.nameAt(0), () => kept!.has("x")]
  ) {
    assertThrows(read, LocalProtocolError);
  }
});

Deno.test("a client cannot expect responses without bound", () => {
  const parser = new ResponseParser(new Recorder(() => {}));
  for (let i = 0; i < EXPECTED_RESPONSES_MAX; i++) parser.expectResponseTo("GET");
  assertThrows(() => parser.expectResponseTo("GET"), LocalProtocolError);
});

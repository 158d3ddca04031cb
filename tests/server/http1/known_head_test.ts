import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import {
  KnownHead,
  MESSAGE_LIMITS_DEFAULT,
  type MessageLimits,
  REFUSALS,
  type RequestHead,
  RequestParser,
  type RequestParserOptions,
  type ResponseHead,
} from "../../../server/http1/mod.ts";
import { CHUNKED } from "../../vectors/chunked.ts";
import { LIMITS } from "../../vectors/limits.ts";
import { REQUESTS } from "../../vectors/requests.ts";
import { Recorder, wireBytes } from "../../vectors/vector.ts";

/** Retains every head, as a server does. */
class Retaining extends Recorder {
  readonly heads: RequestHead[] = [];

  constructor() {
    super(() => {});
  }

  override head(head: RequestHead & ResponseHead): void {
    this.heads.push(head.retain());
    super.head(head);
  }
}

/** Parses the bytes on a connection of their own; they are wiped afterwards. */
function parse(
  wire: string,
  options: RequestParserOptions,
  limits: MessageLimits = MESSAGE_LIMITS_DEFAULT,
  cut = 0,
): Retaining {
  const seen = new Retaining();
  const parser = new RequestParser(seen, limits, options);
  const bytes = wireBytes(wire);
  if (cut > 0) parser.feed(bytes.subarray(0, cut));
  parser.feed(bytes.subarray(cut));
  bytes.fill(0);
  return seen;
}

const GET = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

Deno.test("the same bytes have the same head, on whatever connection", () => {
  const known = new KnownHead();
  const [first] = parse(GET, { known }).heads;
  const again = parse(GET + GET, { known }).heads;
  assertEquals(again.length, 2);
  for (const head of again) assertStrictEquals(head, first);
  assertEquals(first!.target, "/a");
});

Deno.test("one byte that differs makes another head, and so does another limit", () => {
  const known = new KnownHead();
  const [first] = parse(GET, { known }).heads;
  for (const other of [GET.replace("/a", "/b"), GET.replace(": h", ": i"), GET.replace("1.1", "1.0")]) {
    const [head] = parse(other, { known }).heads;
    assertNotStrictEquals(head, first);
    assertEquals(head!.target, other.includes("/b") ? "/b" : "/a");
  }
  parse(GET, { known });
  const strict = { ...MESSAGE_LIMITS_DEFAULT, startLineBytesMax: 10 };
  assertEquals(parse(GET, { known }, strict).events, ["error start-line-too-long"]);
});

Deno.test("a head that came in parts, one that was not retained and one that is long are read", () => {
  const known = new KnownHead();
  const [first] = parse(GET, { known }).heads;
  assertNotStrictEquals(parse(GET, { known }, MESSAGE_LIMITS_DEFAULT, 5).heads[0], first);
  const long = GET.replace("/a", "/" + "a".repeat(2000));
  const [one] = parse(long, { known }).heads;
  assertNotStrictEquals(parse(long, { known }).heads[0], one);

  const passing = new Recorder(() => {});
  const parser = new RequestParser(passing, MESSAGE_LIMITS_DEFAULT, { known: new KnownHead() });
  for (let i = 0; i < 2; i++) parser.feed(wireBytes(GET));
  assertEquals(passing.events.filter((event) => event.startsWith("GET /a")).length, 2);
});

Deno.test("who knows the head tells what who reads it tells: all vectors, twice and cut", () => {
  const refused = REFUSALS.flatMap((row) => row.role === "response" ? [] : row.examples);
  const vectors = [...REQUESTS, ...CHUNKED, ...LIMITS].filter((vector) => vector.answers === undefined);
  const wires: { wire: string; limits: MessageLimits }[] = vectors.map(({ wire, limits }) => ({
    wire,
    limits: { ...MESSAGE_LIMITS_DEFAULT, ...limits },
  }));
  for (const wire of refused) wires.push({ wire, limits: MESSAGE_LIMITS_DEFAULT });
  let shared = 0;
  for (const { wire, limits } of wires) {
    const { events } = parse(wire, {}, limits);
    const known = new KnownHead();
    const before = parse(wire, { known }, limits);
    assertEquals(before.events, events, wire);
    const after = parse(wire, { known }, limits);
    assertEquals(after.events, events, wire);
    if (after.heads.some((head) => before.heads.includes(head))) shared++;
    for (const cut of [1, wire.length >> 1, wire.length - 1]) {
      assertEquals(parse(wire, { known }, limits, cut).events, events, `${wire} cut at ${cut}`);
    }
  }
  assert(shared > 20, `only ${shared} vectors met a head that was known`);
});

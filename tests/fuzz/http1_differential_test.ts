import { assert, assertEquals, assertGreater } from "@std/assert";
import { RequestParser } from "../../server/http1/mod.ts";
import { installNode } from "../support/install_node.ts";
import { sampleSize } from "../support/sample_size.ts";
import { DISAGREEMENTS, explain, kindOf, type OwnVerdict, type Verdict } from "./http1_disagreements.ts";
import { fuzzInput } from "./http1_messages.ts";

/** Requests that both judge; Node takes 3 s for the most. */
const SAMPLES = sampleSize(100_000, 20_000);

/** The first seed; not the fuzz test's, so that other inputs are seen. */
const SEED = Number(Deno.env.get("SLUICE_SEED") ?? 10_000_000);

/** What we make of the bytes. */
function judge(wire: string): OwnVerdict {
  const bodies: number[] = [];
  let refused: string | null = null;
  let upgradeAt = -1;
  let bytes = 0;
  const parser = new RequestParser({
    head: (head) => {
      // What Node takes for an offer; h2c and HTTP/1.0 are none to us.
      const isOffer = head.has("upgrade") && /\bupgrade\b/i.test(head.getAll("connection").join());
      if (isOffer && upgradeAt === -1) upgradeAt = bodies.length;
      bodies.push(-1);
      bytes = 0;
    },
    body: (part) => bytes += part.length,
    end: () => bodies[bodies.length - 1] = bytes,
    error: (error) => refused = error.refusal,
  });
  parser.feed(Uint8Array.from(wire, (char) => char.charCodeAt(0)));
  parser.finish();
  return { bodies, refused, upgradeAt };
}

/** What Node makes of each. */
async function judgeByNode(wires: readonly string[]): Promise<{ version: string; outcomes: Verdict[] }> {
  const cases = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(cases, JSON.stringify(wires));
    const script = new URL("./node_http.mjs", import.meta.url).pathname;
    const { success, stdout, stderr } = await new Deno.Command(await installNode(), { args: [script, cases] })
      .output();
    const decoder = new TextDecoder();
    assert(success, decoder.decode(stderr));
    return JSON.parse(decoder.decode(stdout));
  } finally {
    await Deno.remove(cases);
  }
}

Deno.test(`Node 24 judges ${SAMPLES} requests as we do, but for what is explained`, async () => {
  const wires = Array.from({ length: SAMPLES }, (_, i) => fuzzInput(SEED + i, "request").wire);
  const { version, outcomes } = await judgeByNode(wires);
  assert(version.startsWith("v24."), version);
  assertEquals(outcomes.length, SAMPLES);
  let accepted = 0;
  let refused = 0;
  const unexplained: string[] = [];
  wires.forEach((wire, i) => {
    const own = judge(wire);
    const node = outcomes[i]!;
    const kind = kindOf(own, node);
    if (kind === null) {
      if (own.refused === null) accepted++;
      else refused++;
    } else if (explain(kind, own, node, wire) === undefined) {
      unexplained.push(
        `${kind}: ${JSON.stringify(wire)} (seed ${SEED + i})\n  ${JSON.stringify([own, node])}`,
      );
    }
  });
  assertEquals(unexplained, [], `${unexplained.length} disagreements without a reason`);
  // The comparison means something only if both verdicts are common.
  assertGreater(accepted, SAMPLES / 5);
  assertGreater(refused, SAMPLES / 5);
});

Deno.test("the comparison would see a disagreement", () => {
  const own: OwnVerdict = { bodies: [5], refused: null, upgradeAt: -1 };
  assertEquals(kindOf(own, { bodies: [5], refused: null }), null);
  assertEquals(kindOf(own, { bodies: [4], refused: null }), "bodies");
  assertEquals(explain("bodies", own, { bodies: [4], refused: null }, ""), undefined);
  assertEquals(
    explain("node HPE_INVALID_HEADER_TOKEN", own, { bodies: [], refused: "HPE_INVALID_HEADER_TOKEN" }, ""),
    undefined,
  );
});

Deno.test("every explanation gives a reason", () => {
  for (const row of DISAGREEMENTS) assert(row.reason.length > 20, String(row.kind));
});

Deno.test("what is heard of a sample is what the vectors would say", () => {
  assertEquals(judge("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"), {
    bodies: [2],
    refused: null,
    upgradeAt: -1,
  });
  assertEquals(judge("GET / HTTP/1.1\r\n\r\n").refused, "host-missing");
});

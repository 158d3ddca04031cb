import { assertEquals, assertStrictEquals } from "@std/assert";
import { Admission } from "../../io/admission.ts";
import { Recorder } from "../contracts/selector/recorder.ts";

Deno.test("as many are let in as may be open at once; who comes then is refused and counted", () => {
  const admission = new Admission(2, () => new Recorder());
  for (let count = 0; count < 2; count++) {
    assertEquals(admission.admits(false), true);
    admission.opened();
  }
  assertEquals([admission.admits(false), admission.admits(false)], [false, false]);
  assertEquals(admission.stats, { accepted: 2, refused: 2, open: 2, acceptErrors: 0 });
  admission.closed();
  assertEquals(admission.admits(false), true);
  assertEquals(admission.stats, { accepted: 2, refused: 2, open: 1, acceptErrors: 0 });
});

Deno.test("a listener that closes lets in nobody, and counts them as refused", () => {
  const admission = new Admission(2, () => new Recorder());
  assertEquals(admission.admits(true), false);
  assertEquals(admission.stats, { accepted: 0, refused: 1, open: 0, acceptErrors: 0 });
});

Deno.test("what the system would not give is an error, before it was counted as open or after", () => {
  const admission = new Admission(1, () => new Recorder());
  admission.failed();
  assertEquals(admission.stats, { accepted: 0, refused: 0, open: 0, acceptErrors: 1 });
  admission.opened();
  admission.withdrawn();
  assertEquals(admission.stats, { accepted: 0, refused: 0, open: 0, acceptErrors: 2 });
  assertEquals(admission.admits(false), true);
});

Deno.test("counters that were read stay as they were", () => {
  const admission = new Admission(1, () => new Recorder());
  const before = admission.stats;
  admission.opened();
  assertEquals([before.open, admission.stats.open], [0, 1]);
});

Deno.test("every connection has a protocol of its own", () => {
  const made: Recorder[] = [];
  const admission = new Admission(2, () => {
    const protocol = new Recorder();
    made.push(protocol);
    return protocol;
  });
  for (let count = 0; count < 2; count++) assertStrictEquals(admission.makeProtocol(), made[count]);
  assertEquals(made.length, 2);
});

Deno.test("a protocol that cannot be made is reported, and nobody is let in by it", async () => {
  const failure = new Error("no protocol today");
  const admission = new Admission(1, () => {
    throw failure;
  });
  const { promise: reported, resolve } = Promise.withResolvers<unknown>();
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    resolve(event.error);
  };
  globalThis.addEventListener("error", onError);
  try {
    assertEquals(admission.makeProtocol(), null);
    assertStrictEquals(await reported, failure);
  } finally {
    globalThis.removeEventListener("error", onError);
  }
  assertEquals(admission.stats, { accepted: 0, refused: 0, open: 0, acceptErrors: 0 });
});

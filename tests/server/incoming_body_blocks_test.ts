/** A body on its way in keeps blocks that wait as they came. */

import { assertEquals } from "@std/assert";
import type { BodyFlow } from "../../server/body_source.ts";
import { IncomingBody } from "../../server/incoming_body.ts";
import { RecordingOwner, utf8 } from "../support/incoming_request.ts";

Deno.test("blocks and small pieces that wait keep their order, and each block stays as it came", () => {
  const body = new IncomingBody(new RecordingOwner(), null, { highBytes: 1 << 20 });
  const lengths = [3, 16_384, 1, 2, 70_000, 16_383, 5, 20_000, 20_000];
  const pushed: number[] = [];
  for (const [index, length] of lengths.entries()) {
    const loaned = new Uint8Array(length).fill(index);
    body.push(loaned);
    loaned.fill(255); // The loan is over.
    pushed.push(...new Array(length).fill(index));
  }
  assertEquals(body.bufferedBytes, pushed.length);
  const chunks: Uint8Array[] = [];
  body.consume({ chunk: (bytes) => chunks.push(bytes), end() {}, failed() {} });
  assertEquals(chunks.map((chunk) => chunk.length), [3, 16_384, 3, 70_000, 16_388, 20_000, 20_000]);
  assertEquals(chunks.flatMap((chunk) => [...chunk]), pushed);
  assertEquals(body.bufferedBytes, 0);
});

Deno.test("of the blocks that wait one is delivered at a time to who pauses, and none after a failure", () => {
  const owner = new RecordingOwner();
  const body = new IncomingBody(owner, null, { highBytes: 64 * 1024 });
  const block = (letter: string) => utf8(letter.repeat(40_000));
  for (const letter of "abc") body.push(block(letter));
  const heard: string[] = [];
  let flow: BodyFlow | null = null;
  flow = body.consume({
    chunk(bytes) {
      heard.push(String.fromCharCode(bytes[0]!));
      flow?.pause();
    },
    end() {},
    failed: (reason) => void heard.push(`failed ${reason.message}`),
  });
  assertEquals(heard, ["a", "b", "c"], "there was no flow to pause yet");
  flow.pause();
  for (const letter of "def") body.push(block(letter));
  flow.resume();
  assertEquals([heard.at(-1), body.bufferedBytes], ["d", 80_000]);
  flow.resume();
  assertEquals([heard.at(-1), body.bufferedBytes], ["e", 40_000]);
  body.fail(new Error("gone"));
  flow.resume();
  assertEquals([heard.slice(3), body.bufferedBytes], [["d", "e", "failed gone"], 0]);
});

import { assertEquals, assertLess } from "@std/assert";
import { EINTR, EPIPE } from "../../../io/ffi/errno.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { DirectSender, lengthOf } from "../../../io/selectors/direct_send.ts";
import { type Breakage, withEnds } from "../ffi/broken_libc.ts";
import { assertSameBytes, noise } from "../../contracts/selector/harness.ts";

/** What has come to an end. */
function received(libc: Libc, end: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, libc.call.recv(end, bytes, libc.size(length), 0));
}

Deno.test("bytes go out at once, one part or many, in order", () => {
  withEnds((libc, ours, peers) => {
    const sender = new DirectSender(libc);
    const bytes = noise(1_000, 1);
    assertEquals(sender.sendOne(ours, bytes.subarray(0, 10)), 10);
    const parts = [bytes.subarray(10, 11), bytes.subarray(11, 500), bytes.subarray(500)];
    assertEquals([sender.sendMany(ours, parts), lengthOf(parts)], [990, 990]);
    assertSameBytes(received(libc, peers, 2_000), bytes);
    assertEquals(lengthOf([]), 0);
  });
});

Deno.test("nothing waits: the kernel takes a part, then none", () => {
  withEnds((libc, ours) => {
    const sender = new DirectSender(libc);
    const much = new Uint8Array(64 << 20); // More than any pair of sockets holds.
    assertLess(sender.sendMany(ours, [much, much]), much.length);
    while (sender.sendOne(ours, much.subarray(0, 1)) === 1);
    assertEquals([sender.sendOne(ours, much), sender.sendMany(ours, [much, much])], [0, 0]);
  });
});

Deno.test("a call that was interrupted has taken nothing; an error is its number, and no signal ends the process", () => {
  let isInterrupted = true;
  const once: Breakage = (real, fail) => ({
    send: (...all) => {
      if (!isInterrupted) return real.send(...all);
      isInterrupted = false;
      return fail(EINTR);
    },
  });
  withEnds((libc, ours, peers) => {
    const sender = new DirectSender(libc);
    const bytes = new Uint8Array(10);
    assertEquals([sender.sendOne(ours, bytes), sender.sendOne(ours, bytes)], [0, 10]);
    libc.call.shutdown(peers, 2);
    assertEquals([sender.sendOne(ours, bytes), sender.sendMany(ours, [bytes, bytes])], [-EPIPE, -EPIPE]);
  }, once);
});

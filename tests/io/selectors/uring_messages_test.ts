import { assert, assertEquals } from "@std/assert";
import { OP, SQE } from "../../../io/ffi/uring_layout.ts";
import { PinnedArena } from "../../../io/selectors/uring_arena.ts";
import { KIND, setAddress } from "../../../io/selectors/uring_host.ts";
import { MESSAGES_BYTES, UringMessages } from "../../../io/selectors/uring_messages.ts";
import type { Ring } from "../../../io/selectors/uring_ring.ts";
import { completionsOf, withRing } from "./uring_support.ts";

/** Runs with messages in an arena, and a pair of sockets. */
function withMessages(
  run: (parts: { arena: PinnedArena; ring: Ring; messages: UringMessages; pair: Int32Array }) => void,
  receive: (got: Uint8Array<ArrayBuffer>) => void,
): void {
  withRing({ entries: 64 }, (ring, libc, kernel) => {
    const bytes = 1 << 20;
    const reserved = kernel.reserve(bytes);
    assert(reserved > 0);
    const arena = new PinnedArena(kernel, reserved, { bytes });
    const messages = new UringMessages(arena, ring, arena.allocate(MESSAGES_BYTES)!);
    const pair = new Int32Array(2);
    assertEquals(libc.call.socketpair(1, 1, 0, pair), 0);
    run({ arena, ring, messages, pair });
    const got = new Uint8Array(100_000);
    const count = libc.call.recv(pair[1]!, got, libc.size(got.length), 0);
    receive(got.subarray(0, count));
    for (const fd of pair) libc.call.close(fd);
    kernel.unmap(reserved, bytes);
  });
}

function piece(arena: PinnedArena, length: number, mark: number): Uint8Array {
  const view = arena.allocate(length)!;
  view.fill(mark);
  return view;
}

Deno.test("the parts of a message are sent in order, from the first to before the last that are asked for", () => {
  withMessages(({ arena, ring, messages, pair }) => {
    const parts = [1, 2, 3, 4].map((mark) => piece(arena, mark * 10, mark));
    const address = messages.message(parts, 1, 3);
    const at = ring.prepare(OP.sendMessage, pair[0]!, 1, KIND.send);
    setAddress(ring, at, address);
    ring.words[at + SQE.length] = 1;
    ring.submit();
    assertEquals(completionsOf(ring).map(({ result }) => result), [50]);
  }, (got) => {
    assertEquals([...got], [...new Array(20).fill(2), ...new Array(30).fill(3)]);
  });
});

Deno.test("when its memory is used up, what is prepared is submitted and it begins anew", () => {
  withMessages(({ arena, ring, messages, pair }) => {
    const parts = [piece(arena, 1, 7)];
    const each = messages.message(parts, 0, 1);
    const second = messages.message(parts, 0, 1) - each;
    const count = Math.floor(MESSAGES_BYTES / second) + 10;
    const seen = new Set<number>();
    for (let index = 0; index < count; index++) {
      const address = messages.message(parts, 0, 1);
      seen.add(address);
      const at = ring.prepare(OP.sendMessage, pair[0]!, index, KIND.send);
      setAddress(ring, at, address);
      ring.words[at + SQE.length] = 1;
      if (index % 32 === 31) completionsOf(ring);
    }
    ring.submit();
    assert(seen.size <= MESSAGES_BYTES / second, "the same places were used again");
  }, (got) => assert(got.length > 0 && got.every((byte) => byte === 7)));
});

Deno.test("bytes lie where it says", () => {
  withMessages(({ arena, ring, messages, pair }) => {
    const address = messages.bytes(new Uint8Array([5, 6, 7]));
    assert(address >= arena.address && address < arena.address + MESSAGES_BYTES);
    const at = ring.prepare(OP.send, pair[0]!, 1, KIND.send);
    setAddress(ring, at, address);
    ring.words[at + SQE.length] = 3;
    ring.submit();
  }, (got) => assertEquals([...got], [5, 6, 7]));
});

Deno.test("a full ring is submitted before a message is laid down, so that its entry does not submit and free it", () => {
  withMessages(({ arena, ring, messages, pair }) => {
    for (let index = 0; index < ring.entries; index++) ring.prepare(OP.nop, -1, index, KIND.cancel);
    const address = messages.message([piece(arena, 3, 9)], 0, 1);
    const { submits } = ring;
    assertEquals([submits, ring.isPending], [1, false]);
    const at = ring.prepare(OP.sendMessage, pair[0]!, 1, KIND.send);
    setAddress(ring, at, address);
    ring.words[at + SQE.length] = 1;
    assert(messages.message([piece(arena, 3, 8)], 0, 1) !== address, "the first is not submitted yet");
    assertEquals(ring.submits, submits);
    ring.submit();
  }, (got) => assertEquals([...got], [9, 9, 9]));
});

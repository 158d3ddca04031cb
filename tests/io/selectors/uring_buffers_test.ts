import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { EINVAL, ENOBUFS, ENOMEM } from "../../../io/ffi/errno.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { BUFFER_SHIFT, COMPLETION, ENTRY_SELECTS_BUFFER, OP } from "../../../io/ffi/uring_layout.ts";
import { ReceiveBuffers } from "../../../io/selectors/uring_buffers.ts";
import type { Ring } from "../../../io/selectors/uring_ring.ts";
import { ChangedKernel, completionsOf, withRing } from "./uring_support.ts";

/** A pair of sockets; bytes sent on the second are received on the first. */
function socketPair(libc: Libc): [number, number] {
  const pair = new Int32Array(2);
  assertEquals(libc.call.socketpair(1, 1, 0, pair), 0);
  return [pair[0]!, pair[1]!];
}

/** Receives once; returns the completion. */
function receive(ring: Ring, descriptor: number): { number: number; result: number } {
  ring.prepare(OP.receive | (ENTRY_SELECTS_BUFFER << 8), descriptor, 1, 1);
  ring.submit();
  const [{ result, flags }] = completionsOf(ring) as unknown as [{ result: number; flags: number }];
  return { result, number: (flags & COMPLETION.buffer) !== 0 ? flags >>> BUFFER_SHIFT : -1 };
}

Deno.test("the kernel receives into the buffers, until none is left; one that is given back is used again", () => {
  for (const isGuarded of [false, true]) {
    withRing({ entries: 8 }, (ring, libc, kernel) => {
      const buffers = new ReceiveBuffers(kernel, ring.descriptor, { count: 2, bytes: 100, isGuarded });
      const [receiver, sender] = socketPair(libc);
      const sent = Uint8Array.from({ length: 250 }, (_, index) => index);
      assertEquals(libc.call.send(sender, sent, libc.size(250), 0), 250);
      const got: number[] = [];
      const views = [0, 0].map(() => {
        const { number, result } = receive(ring, receiver);
        const view = buffers.view(number, result);
        got.push(...view);
        return { number, view };
      });
      assertEquals(receive(ring, receiver), { number: -1, result: -ENOBUFS });
      buffers.giveBack(views[1]!.number);
      buffers.publish();
      if (isGuarded) assert(views[1]!.view.every((byte) => byte === 0xdb), "the loan is over");
      const { number, result } = receive(ring, receiver);
      assertEquals([number, result], [views[1]!.number, 50]);
      got.push(...buffers.view(number, result));
      assertEquals(got, [...sent]);
      assertEquals(buffers.breaches, []);
      buffers.close();
      for (const fd of [receiver, sender]) libc.call.close(fd);
    });
  }
});

Deno.test("numbers wrap around many times", () => {
  withRing({ entries: 8 }, (ring, libc, kernel) => {
    const buffers = new ReceiveBuffers(kernel, ring.descriptor, { count: 4, bytes: 16, isGuarded: true });
    const [receiver, sender] = socketPair(libc);
    for (let round = 0; round < 70_000; round += 1) { // The ring's tail has 16 bits.
      buffers.view(round % 4, 0);
      buffers.giveBack(round % 4);
    }
    buffers.publish();
    assertEquals(libc.call.send(sender, new Uint8Array([9]), libc.size(1), 0), 1);
    const { number, result } = receive(ring, receiver);
    assertEquals([...buffers.view(number, result)], [9]);
    buffers.close();
    for (const fd of [receiver, sender]) libc.call.close(fd);
  });
});

Deno.test("guard mode finds a buffer given back twice, and one written to beyond its end", () => {
  withRing({ entries: 8 }, (ring, _libc, kernel) => {
    const buffers = new ReceiveBuffers(kernel, ring.descriptor, { count: 4, bytes: 16, isGuarded: true });
    buffers.giveBack(1);
    assertMatch(buffers.breaches[0]!.message, /given back twice/);
    const view = buffers.view(2, 16);
    new Uint8Array(view.buffer, view.byteOffset + 16, 1)[0] = 1;
    buffers.giveBack(2);
    assertMatch(buffers.breaches[1]!.message, /beyond its end/);
    buffers.view(3, 1);
    buffers.view(3, 1);
    assertMatch(buffers.breaches[2]!.message, /not the kernel's/);
    buffers.close();
  });
});

Deno.test("a kernel that has no memory or takes no buffers is refused with the reason, and sizes are checked", () => {
  withRing({ entries: 8 }, (ring, _libc, kernel) => {
    const refuses = (changes: ConstructorParameters<typeof ChangedKernel>[1]) =>
      assertThrows(
        () => new ReceiveBuffers(new ChangedKernel(kernel, changes), ring.descriptor),
        UnsupportedError,
      ).message;
    assertMatch(refuses({ mapMemory: () => -ENOMEM }), /no memory.*12/);
    assertMatch(refuses({ register: () => -EINVAL }), /Linux 6\.0.*22/);
    for (const options of [{ count: 3 }, { count: 0 }, { count: 65_536 }, { bytes: 0 }]) {
      assertThrows(() => new ReceiveBuffers(kernel, ring.descriptor, options), RangeError);
    }
  });
});

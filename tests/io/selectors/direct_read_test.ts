import { assertEquals } from "@std/assert";
import { EAGAIN, ECONNRESET } from "../../../io/ffi/errno.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { DirectReader, type ReadTaker } from "../../../io/selectors/direct_read.ts";
import { assertSameBytes, noise } from "../../contracts/selector/harness.ts";
import { type Breakage, withEnds } from "../ffi/broken_libc.ts";

const FULL = 64 * 1024;

/** Takes everything while `takesMore` says so. */
class Taker implements ReadTaker {
  readonly chunks: Uint8Array[] = [];
  takesMore: () => boolean = () => true;

  takeRead(bytes: Uint8Array): boolean {
    this.chunks.push(bytes.slice());
    return this.takesMore();
  }

  get lengths(): number[] {
    return this.chunks.map((chunk) => chunk.length);
  }
}

function send(libc: Libc, end: number, bytes: Uint8Array): void {
  const sent = libc.call.send(end, bytes as Uint8Array<ArrayBuffer>, libc.size(bytes.length), 0);
  assertEquals(sent, bytes.length);
}

Deno.test("what is there is read, and nothing is waited for", () => {
  withEnds((libc, ours, peers) => {
    const reader = new DirectReader(libc);
    const taker = new Taker();
    assertEquals(reader.read(ours, taker), -EAGAIN);
    const bytes = noise(1_000, 1);
    send(libc, peers, bytes);
    assertEquals(reader.read(ours, taker), 1_000);
    assertSameBytes(taker.chunks[0]!, bytes);
    libc.call.shutdown(peers, 1);
    assertEquals([reader.read(ours, taker), taker.chunks.length], [0, 1]);
  });
});

Deno.test("who fills the buffer is read on, until there is less, nothing, or it takes no more", () => {
  withEnds((libc, ours, peers) => {
    const reader = new DirectReader(libc);
    reader.openTurn();
    const taker = new Taker();
    send(libc, peers, noise(FULL + 5, 2));
    assertEquals([reader.read(ours, taker), taker.lengths], [5, [FULL, 5]]);
    send(libc, peers, noise(FULL, 3));
    assertEquals([reader.read(ours, taker), taker.lengths.slice(2)], [-EAGAIN, [FULL]]);
    send(libc, peers, noise(2 * FULL, 4));
    taker.takesMore = () => taker.chunks.length < 4;
    assertEquals([reader.read(ours, taker), taker.lengths.slice(3)], [FULL, [FULL]]);
    assertEquals([reader.read(ours, taker), taker.lengths.slice(4)], [FULL, [FULL]]);
  });
});

Deno.test("a turn has 24 such reads for all, then one a socket", () => {
  const full: Breakage = () => ({ recv: () => FULL as never });
  withEnds((libc, ours) => {
    const reader = new DirectReader(libc);
    const counts = () => {
      const taker = new Taker();
      reader.read(ours, taker);
      return taker.chunks.length;
    };
    assertEquals(counts(), 1, "before the first turn");
    reader.openTurn();
    const first = new Taker();
    first.takesMore = () => first.chunks.length < 11;
    reader.read(ours, first);
    assertEquals([first.chunks.length, counts(), counts(), counts()], [11, 15, 1, 1]);
    reader.openTurn();
    assertEquals([counts(), counts()], [25, 1]);
  }, full);
});

Deno.test("an error is its number", () => {
  withEnds((libc, ours) => {
    assertEquals(new DirectReader(libc).read(ours, new Taker()), -ECONNRESET);
  }, (_real, fail) => ({ recv: () => fail(ECONNRESET) }));
});

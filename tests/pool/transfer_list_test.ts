/** What is given away, and what counts as copied. */

import { assertEquals } from "@std/assert";
import type { TransferMode } from "../../pool/mod.ts";
import { pack, type Parcel } from "../../pool/transfer_list.ts";

const LARGE = 64 * 1024;

function packed(value: unknown, mode: TransferMode = "auto"): Parcel {
  const parcel: Parcel = { copyBytes: 0, transfer: [] };
  pack(value, mode, parcel);
  return parcel;
}

Deno.test("whole large buffers are given away, alone, in objects and in arrays", () => {
  const buffer = new ArrayBuffer(LARGE);
  for (
    const value of [buffer, new Uint8Array(buffer), { data: buffer }, [buffer], {
      inner: { data: new DataView(buffer) },
    }]
  ) {
    assertEquals(packed(value), { copyBytes: 0, transfer: [buffer] });
    assertEquals(packed(value, "copy"), { copyBytes: LARGE, transfer: [] });
  }
  assertEquals(packed([buffer, new Uint8Array(buffer)]).transfer, [buffer], "once");
});

Deno.test("small ones and views of a part are copied, with the whole buffer below them", () => {
  assertEquals(packed(new Uint8Array(100)), { copyBytes: 100, transfer: [] });
  assertEquals(packed(new Uint8Array(2 * LARGE).subarray(1)), { copyBytes: 2 * LARGE, transfer: [] });
});

Deno.test("a list says exactly what is given away", () => {
  const [given, kept] = [new ArrayBuffer(8), new ArrayBuffer(LARGE)];
  assertEquals(packed([given, kept], [given]), { copyBytes: LARGE, transfer: [given] });
});

Deno.test("shared memory is neither, strings count two bytes a character", () => {
  assertEquals(packed(new Uint8Array(new SharedArrayBuffer(LARGE))), { copyBytes: 0, transfer: [] });
  assertEquals(packed("four").copyBytes, 8);
  assertEquals(packed({ text: "four" }).copyBytes, 8);
  assertEquals(packed(5).copyBytes, 0);
});

Deno.test("it does not look into what is deep, long, or of a class", () => {
  const buffer = new ArrayBuffer(LARGE);
  const deep = { a: { b: { c: buffer } } };
  const long = Array.from({ length: 100 }, (_, index) => index === 99 ? buffer : 0);
  for (const value of [deep, long, new Map([[1, buffer]])]) assertEquals(packed(value).transfer, []);
});

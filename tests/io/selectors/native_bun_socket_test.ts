/** What of Bun's driver can be seen on every runtime; the contract runs in native_bun_test.ts. */

import { assertEquals } from "@std/assert";
import { GatherBuffer } from "../../../io/selectors/native_bun_socket.ts";

const parts = (...lengths: number[]) => lengths.map((length, at) => new Uint8Array(length).fill(at + 1));

Deno.test("parts are put together in order, in the same memory each time", () => {
  const buffer = new GatherBuffer();
  const first = buffer.gather(parts(2, 1, 3));
  assertEquals([...first], [1, 1, 2, 3, 3, 3]);
  const second = buffer.gather(parts(1));
  assertEquals([...second], [1]);
  assertEquals(second.buffer, first.buffer);
});

Deno.test("of more than fits, the beginning is gathered", () => {
  const gathered = new GatherBuffer().gather(parts(200_000, 100_000, 5));
  assertEquals([gathered.length, gathered[199_999], gathered.at(-1)], [256 * 1024, 1, 2]);
});

import { assertEquals } from "@std/assert";
import {
  BUFFER_REGISTRATION,
  CQ_OFFSETS,
  CQE,
  MESSAGE,
  OP,
  PARAMS,
  PROBE,
  SQ_OFFSETS,
  SQE,
} from "../../../io/ffi/uring_layout.ts";
import { completionsOf, withRing } from "../selectors/uring_support.ts";

Deno.test("structures are as long as in linux/io_uring.h", () => {
  assertEquals([PARAMS.bytes, SQE.words * 4, CQE.words * 4, BUFFER_REGISTRATION.bytes], [120, 64, 16, 40]);
  assertEquals([PROBE.headBytes, PROBE.opBytes, MESSAGE.bytes], [16, 8, 56]);
  assertEquals(PARAMS.cqOffsets - PARAMS.sqOffsets, 40, "the offsets of the submission ring lie between");
  assertEquals(Math.max(...Object.values(SQ_OFFSETS), ...Object.values(CQ_OFFSETS)) < 40, true);
});

Deno.test("this kernel reads entries and writes completions where we think it does", () => {
  withRing({ entries: 4 }, (ring, libc) => {
    const pair = new Int32Array(2);
    assertEquals(libc.call.socketpair(1, 1, 0, pair), 0);
    const at = ring.prepare(OP.pollAdd, pair[0]!, 0x1234_5678, 0x0765_4321);
    ring.words[at + SQE.operationFlags] = 4; // POLLOUT
    ring.submit();
    assertEquals(completionsOf(ring), [{ user: [0x1234_5678, 0x0765_4321], result: 4, flags: 0 }]);
    for (const fd of pair) libc.call.close(fd);
  });
});

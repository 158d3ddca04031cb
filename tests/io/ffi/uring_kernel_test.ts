import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { EBADF, EINVAL, ENOMEM } from "../../../io/ffi/errno.ts";
import { withKernel } from "../selectors/uring_support.ts";

Deno.test("what fails is the error's number, negative", () => {
  withKernel((kernel) => {
    assertEquals(kernel.setup(0, new Uint8Array(120)), -EINVAL);
    assertEquals(kernel.enter(1_000_000, 0, 0, 0), -EBADF);
    assertEquals(kernel.register(1_000_000, 4, null, 0), -EBADF);
    assertEquals(kernel.close(-1), -EBADF);
    assertEquals(kernel.mapRing(-1, 4096, 0), -EBADF);
    assertEquals(kernel.mapMemory(2 ** 47), -ENOMEM);
    assertEquals(kernel.reserve(2 ** 47), -ENOMEM);
    assertEquals(kernel.unmap(1, 4096), -EINVAL);
    assertEquals(kernel.discard(1, 4096), -EINVAL);
  });
});

Deno.test("memory that is mapped is zeros, keeps what is written, and loses it when it is discarded", () => {
  withKernel((kernel, libc) => {
    const memory = kernel.mapMemory(128 * 1024);
    assert(typeof memory !== "number");
    const bytes = new Uint8Array(memory.buffer);
    assertEquals([bytes.length, bytes[70_000]], [128 * 1024, 0]);
    bytes[70_000] = 7;
    bytes[10] = 5;
    const seen = new Uint8Array(1);
    libc.library.copyFrom(libc.library.pointerTo(memory.address + 70_000), seen);
    assertEquals(seen[0], 7, "the address is that of the buffer");
    assertEquals(kernel.discard(memory.address + 64 * 1024, 64 * 1024), 0);
    assertEquals([bytes[70_000], bytes[10]], [0, 5]);
    assertEquals(kernel.unmap(memory.address, 128 * 1024), 0);
  });
});

Deno.test("a ring can be set up, asked for what it knows, and closed", () => {
  withKernel((kernel) => {
    const params = new Uint8Array(120);
    const ring = kernel.setup(4, params);
    assert(ring >= 0);
    assertNotEquals(new DataView(params.buffer).getUint32(20, true), 0, "the kernel tells its features");
    const probe = new Uint8Array(16 + 256 * 8);
    assertEquals(kernel.register(ring, 8, probe, 256), 0);
    assertNotEquals(probe[0], 0);
    assertEquals(kernel.enter(ring, 0, 0, 1), 0);
    assertEquals(kernel.close(ring), 0);
  });
});

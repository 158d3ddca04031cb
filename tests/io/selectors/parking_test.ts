import { assertEquals, assertStringIncludes } from "@std/assert";
import { EPERM } from "../../../io/ffi/errno.ts";
import type { Libc } from "../../../io/ffi/libc.ts";
import { parkByKernel, parkByThread, type ParkingWay, probeParking } from "../../../io/selectors/parking.ts";
import { detectRuntime } from "../../../io/runtime.ts";
import { type Breakage, OpenDescriptors, withLibc } from "../ffi/broken_libc.ts";

const isDeno = detectRuntime().name === "deno";
const ways: Readonly<Record<string, ParkingWay>> = {
  "by the kernel": parkByKernel,
  ...(isDeno ? { "by a thread": parkByThread } : {}), // Bun has no calls on other threads.
};

/** An eventfd to wait for. */
class Counter {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #bytes = new Uint8Array(new ArrayBuffer(256), 0, 8);

  constructor(libc: Libc) {
    this.#libc = libc;
    this.fd = libc.call.eventfd(0, 0x800);
  }

  add(): void {
    this.#bytes.fill(0)[0] = 1;
    this.#libc.call.write(this.fd, this.#bytes, this.#libc.size(8));
  }

  empty(): void {
    this.#libc.call.read(this.fd, this.#bytes, this.#libc.size(8));
  }

  close(): void {
    this.#libc.call.close(this.fd);
  }
}

for (const [name, way] of Object.entries(ways)) {
  Deno.test(`parked ${name}: readiness wakes it once, the present one as well`, async () => {
    await withLibc(async (libc) => {
      const counter = new Counter(libc);
      let calls = 0;
      let wake = (): void => {};
      const parking = way(libc, counter.fd, () => {
        calls++;
        wake();
      }).found!;
      parking.ref();
      assertStringIncludes(parking.how, "woken by ");
      for (let round = 1; round <= 3; round++) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (round === 2) counter.add();
          parking.park();
          parking.park();
          if (round !== 2) counter.add();
        });
        assertEquals(calls, round);
        counter.empty();
      }
      await parking.close();
      counter.close();
      assertEquals(calls, 3);
    });
  });

  Deno.test(`parked ${name}: it may be let go of and held again, and still wakes`, async () => {
    await withLibc(async (libc) => {
      const counter = new Counter(libc);
      let wake = (): void => {};
      const parking = way(libc, counter.fd, () => wake()).found!;
      parking.park();
      for (let round = 0; round < 3; round++) {
        parking.ref();
        parking.ref();
        parking.unref();
        parking.unref();
      }
      const keepAlive = setTimeout(() => {}, 60_000);
      for (const isHeld of [false, true]) {
        if (isHeld) parking.ref();
        await new Promise<void>((resolve) => {
          wake = resolve;
          parking.park();
          counter.add();
        });
        counter.empty();
      }
      clearTimeout(keepAlive);
      await parking.close();
      counter.close();
    });
  });

  Deno.test(`parked ${name}: closing it parked calls nobody, and leaves nothing open`, async () => {
    const descriptors = new OpenDescriptors();
    await withLibc(async (libc) => {
      const counter = new Counter(libc);
      const parking = way(libc, counter.fd, () => {
        throw new Error("it was closed");
      }).found!;
      parking.ref();
      parking.park();
      const closing = parking.close();
      counter.add();
      await closing;
      counter.close();
    }, descriptors.breakage);
    // The runtime closed the eventfd that it waited for; nothing else may be left.
    assertEquals(descriptors.open.size <= 1, true, `${[...descriptors.open]}`);
  });
}

Deno.test("without io_uring a thread waits, and without threads either there is a reason for both", () => {
  const breakage: Breakage = (_real, fail) => ({ ioUringSetup: () => fail(EPERM) });
  return withLibc(async (libc) => {
    const counter = new Counter(libc);
    const { found, refusal } = probeParking(libc, counter.fd, () => {});
    if (isDeno) assertEquals(found?.how, "woken by a thread");
    else {assertStringIncludes(
        refusal!,
        "io_uring_setup fails with error 1; this runtime calls no C function",
      );}
    await found?.close();
    counter.close();
    const none = probeParking(libc, 0, () => {}, [parkByKernel]);
    assertEquals(none.refusal, "nothing can wait for it: io_uring_setup fails with error 1");
  }, breakage);
});

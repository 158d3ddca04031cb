import { assertEquals, assertMatch } from "@std/assert";
import process from "node:process";
import type { Libc } from "../../../io/ffi/libc.ts";
import { probeWake, type Wake } from "../../../io/selectors/native_wake.ts";
import { detectRuntime } from "../../../io/runtime.ts";
import { type Breakage, OpenDescriptors, withLibc } from "../ffi/broken_libc.ts";

/** Signals as the kernel would. */
function signal(libc: Libc, { signal }: Wake): void {
  const bytes = new Uint8Array(new ArrayBuffer(256), 0, 8);
  bytes[0] = 1;
  if ("eventfd" in signal) libc.call.write(signal.eventfd, bytes, libc.size(8));
  else libc.call.send(signal.socket, bytes, libc.size(1), 0);
}

Deno.test("the runtime's loop is woken by each signal", async () => {
  await withLibc(async (libc) => {
    let wakeUp = (): void => {};
    const { found: wake, refusal } = probeWake(libc, () => wakeUp());
    assertEquals(refusal, null);
    wake!.ref();
    for (let round = 0; round < 3; round++) {
      await new Promise<void>((resolve) => {
        wakeUp = resolve;
        signal(libc, wake!);
      });
    }
    await wake!.close();
  });
});

Deno.test("two that are closed one after the other are closed by themselves: nothing else need wake the runtime", async () => {
  await withLibc(async (libc) => {
    const wakes = [1, 2].map(() => probeWake(libc, () => {}).found!);
    await new Promise((resolve) => setTimeout(resolve, 1)); // The runtime has begun to wait for both.
    let cancel = (): void => {};
    const waiting = new Promise<string>((resolve) => {
      const timer = setTimeout(() => resolve("still waiting"), 10_000);
      cancel = () => clearTimeout(timer);
    });
    const closing = (async () => {
      for (const wake of wakes) await wake.close();
      return "closed";
    })();
    assertEquals(await Promise.race([closing, waiting]), "closed");
    cancel();
  });
});

Deno.test("where there is nothing to wake the runtime by, nothing is left open", () => {
  const descriptors = new OpenDescriptors();
  const name = detectRuntime().name === "bun" ? "socketpair" : "eventfd";
  const breakage: Breakage = (real, fail) => ({
    ...descriptors.breakage(real, fail),
    [name]: () => fail(24),
  });
  withLibc((libc) => {
    assertEquals(probeWake(libc, () => {}).refusal, `${name} fails with error 24`);
  }, breakage);
  assertEquals(descriptors.open.size, 0);
});

Deno.test("a Deno without pipe handles says so", () => {
  if (detectRuntime().name !== "deno") return;
  const owner = process as unknown as { binding: unknown };
  const { binding } = owner;
  const without = [
    undefined,
    () => ({}),
    () => {
      throw new TypeError("there is none");
    },
  ];
  try {
    for (const broken of without) {
      owner.binding = broken;
      withLibc((libc) => assertMatch(probeWake(libc, () => {}).refusal!, /no pipe handles/));
    }
  } finally {
    owner.binding = binding;
  }
});

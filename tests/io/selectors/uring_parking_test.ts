import { connect } from "node:net";
import { setImmediate } from "node:timers";
import { assertEquals, assertMatch } from "@std/assert";
import { type Libc, probeLibc } from "../../../io/ffi/libc.ts";
import { LibcKernel } from "../../../io/ffi/uring_kernel.ts";
import { OP } from "../../../io/ffi/uring_layout.ts";
import { openUring } from "../../../io/selectors/uring.ts";
import {
  parkByDescriptor,
  parkByEvent,
  probeRingParking,
  type RingParkingWay,
} from "../../../io/selectors/uring_parking.ts";
import { Ring } from "../../../io/selectors/uring_ring.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

/** Runs with a ring parked in one way; `ready` resolves with the next wake. */
async function withParking(
  way: RingParkingWay,
  run: (ring: Ring, park: () => void, ready: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const libc = probeLibc().found!;
  const kernel = new LibcKernel(libc);
  const ring = Ring.open(kernel, { entries: 4 });
  let onReady = () => {};
  const parking = way(libc, ring, () => onReady());
  if (parking.refusal === "this runtime waits for no eventfd") { // Bun; then the other way is taken.
    ring.unmap();
    kernel.close(ring.descriptor);
    return libc.close();
  }
  assertEquals(parking.refusal, null);
  parking.found!.ref();
  try {
    await run(ring, () => parking.found!.park(), () => new Promise((resolve) => onReady = resolve));
  } finally {
    await parking.found!.close();
    ring.unmap();
    kernel.close(ring.descriptor);
    libc.close();
  }
}

function complete(ring: Ring): void {
  ring.prepare(OP.nop, -1, 1, 1);
  ring.submit();
}

/** Parked as a descriptor, with immediates as the way back from a ring that has something already. */
const byImmediate: RingParkingWay = (libc, ring, onReady) =>
  parkByDescriptor(libc, ring, onReady, (run) => void setImmediate(run));

for (
  const [name, way] of Object.entries({
    "by its eventfd": parkByEvent,
    "as a descriptor": (libc: Libc, ring: Ring, onReady: () => void) =>
      parkByDescriptor(libc, ring, onReady, null),
    "as a descriptor, with immediates": byImmediate,
  })
) {
  Deno.test(`a ring parked ${name} wakes for a completion, also for one that was there before`, async () => {
    await withParking(way, async (ring, park, ready) => {
      for (let round = 0; round < 5; round++) {
        const woken = ready();
        if (round % 2 === 0) {
          park();
          complete(ring);
        } else {
          complete(ring);
          park();
        }
        await woken;
        ring.take(Infinity);
        ring.clearBacklog();
      }
    });
  });
}

Deno.test("a ring that has something already comes back once by an immediate, however often it is parked", async () => {
  await withParking(byImmediate, async (ring, park, ready) => {
    for (let round = 0; round < 100; round++) {
      const woken = ready();
      complete(ring);
      park();
      park();
      await woken;
      let isWoken = false;
      void ready().then(() => isWoken = true);
      await new Promise<void>((resolve) => setImmediate(resolve));
      assertEquals(isWoken, false);
      ring.take(Infinity);
      ring.clearBacklog();
    }
    const woken = ready();
    park(); // Nothing is there: asleep, as otherwise.
    complete(ring);
    await woken;
  });
});

Deno.test("a ring whose parking is closed does not come back", async () => {
  let isWoken = false;
  await withParking(byImmediate, (ring, park, ready) => {
    void ready().then(() => isWoken = true);
    complete(ring);
    park();
    return Promise.resolve();
  });
  await new Promise<void>((resolve) => setImmediate(resolve));
  assertEquals(isWoken, false);
});

Deno.test("the first way that works is taken, and if none does all reasons are told", () => {
  const libc = probeLibc().found!;
  const no = (refusal: string): RingParkingWay => () => ({ found: null, refusal });
  const { refusal } = probeRingParking(libc, {} as Ring, () => {}, [no("no eventfd"), no("no thread")]);
  assertMatch(refusal!, /no eventfd; no thread/);
  libc.close();
});

for (
  const [name, ways] of Object.entries({ "by any way": undefined, "as a descriptor": [parkByDescriptor] })
) {
  Deno.test(`a selector parked ${name} hears a peer that is not its own`, async () => {
    // Its own would have the kernel look at the ring with each call of theirs.
    await using selector = openUring(ways === undefined ? {} : { ways });
    const server = new Recorder({ received: (bytes, transport) => transport.write(bytes) });
    const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => server);
    const peer = connect((listener.addr as Deno.NetAddr).port, "127.0.0.1");
    const echoed = new Promise<string>((resolve, reject) => {
      peer.on("error", reject);
      peer.once("data", (first) => {
        peer.once("data", (second) => resolve(`${first}${second}`));
        peer.write("again");
      });
    });
    peer.write("once ");
    assertEquals(await echoed, "once again");
    peer.end();
    await server.untilClosed();
    await listener.close();
  });
}

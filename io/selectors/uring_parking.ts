/**
 * How the runtime's loop is woken when a ring has completions.
 *
 * By the ring's own eventfd where the runtime waits for one (Deno): the kernel writes to it, with nothing in between, and only
 * while it is parked. Elsewhere the ring's descriptor is watched like any other (parking.ts).
 *
 * @module
 */
import { EINTR } from "../ffi/errno.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Probe } from "../ffi/load.ts";
import { probeWake, type Wake } from "./native_wake.ts";
import { type Parking, probeParking } from "./parking.ts";
import type { Ring } from "./uring_ring.ts";

/** A way to park a ring. */
export type RingParkingWay = (libc: Libc, ring: Ring, onReady: () => void) => Probe<RingParking>;

/** A parking that can be told to be quiet while completions are looked for. */
export interface RingParking extends Parking {
  /** Completions wake nobody until it is parked again; but one wake may be under way. */
  disarm(): void;
}

/**
 * Makes the parking of a ring.
 *
 * @param onReady runs when it is parked and something completed, maybe once more for nothing
 * @param ways the ways to try; default: by its eventfd, then as any descriptor
 * @returns it, unref'ed; or why no way works
 */
export function probeRingParking(
  libc: Libc,
  ring: Ring,
  onReady: () => void,
  ways: readonly RingParkingWay[] = [parkByEvent, parkByDescriptor],
): Probe<RingParking> {
  const refusals: string[] = [];
  for (const way of ways) {
    const probe = way(libc, ring, onReady);
    if (probe.found !== null) return probe;
    refusals.push(probe.refusal);
  }
  return { found: null, refusal: refusals.join("; ") };
}

/** The first way; see the module's text. */
export function parkByEvent(libc: Libc, ring: Ring, onReady: () => void): Probe<RingParking> {
  const wake = probeWake(libc, onReady);
  if (wake.found === null) return wake;
  if (!("eventfd" in wake.found.signal)) {
    void wake.found.close();
    return { found: null, refusal: "this runtime waits for no eventfd" };
  }
  ring.disarm();
  const refusal = ring.registerEvent(wake.found.signal.eventfd);
  if (refusal === null) {
    return { found: new EventParking(libc, ring, wake.found, wake.found.signal.eventfd), refusal: null };
  }
  void wake.found.close();
  return { found: null, refusal };
}

class EventParking implements RingParking {
  readonly how = "woken by io_uring's eventfd";
  readonly #libc: Libc;
  readonly #ring: Ring;
  readonly #wake: Wake;
  readonly #eventfd: number;
  readonly #one = new BigUint64Array(new ArrayBuffer(256), 0, 1);

  constructor(libc: Libc, ring: Ring, wake: Wake, eventfd: number) {
    this.#libc = libc;
    this.#ring = ring;
    this.#wake = wake;
    this.#eventfd = eventfd;
    this.#one[0] = 1n;
  }

  park(): void {
    if (this.#ring.arm()) return;
    const { call } = this.#libc; // Something is there already, so we wake ourselves: the runtime's loop goes first.
    while (call.write(this.#eventfd, this.#one, this.#libc.size(8)) < 0 && this.#libc.errno() === EINTR);
  }

  disarm(): void {
    this.#ring.disarm();
  }

  ref(): void {
    this.#wake.ref();
  }

  unref(): void {
    this.#wake.unref();
  }

  close(): Promise<void> {
    return this.#wake.close();
  }
}

/** The second way; see the module's text. */
export function parkByDescriptor(libc: Libc, ring: Ring, onReady: () => void): Probe<RingParking> {
  const parking = probeParking(libc, ring.descriptor, onReady);
  if (parking.found === null) return parking;
  const { found } = parking;
  return {
    found: {
      how: found.how,
      park: () => found.park(),
      disarm: () => {}, // A wake that comes all the same finds nothing to do.
      ref: () => found.ref(),
      unref: () => found.unref(),
      close: () => found.close(),
    },
    refusal: null,
  };
}

/**
 * How the runtime's loop is woken when a ring has completions.
 *
 * By the ring's own eventfd where the runtime waits for one (Deno): the kernel writes to it, with nothing in between, and only
 * while it is parked. Elsewhere (Bun) that eventfd is watched like any other descriptor (parking.ts). Not the ring's own: it
 * becomes readable when something is completed, but a ring whose work is deferred to its thread (`DEFER_TASKRUN`) completes
 * nothing before that thread enters it again, so who sleeps until it is readable sleeps on (seen on Linux 6.18).
 *
 * A ring that is to be parked, but has completions already, has the runtime go first. On Deno the eventfd sees to that. On Bun
 * it would take five system calls to be back at once, and the runtime looks at its sockets between immediates: one is enough.
 *
 * @module
 */
import { EFD_CLOEXEC, EFD_NONBLOCK } from "../ffi/constants.ts";
import { EINTR } from "../ffi/errno.ts";
import type { Libc } from "../ffi/libc.ts";
import type { Probe } from "../ffi/load.ts";
import { fairImmediate } from "./native_turn.ts";
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
  readonly #ring: Ring;
  readonly #wake: Wake;
  readonly #event: EventCell;

  constructor(libc: Libc, ring: Ring, wake: Wake, eventfd: number) {
    this.#ring = ring;
    this.#wake = wake;
    this.#event = new EventCell(libc, eventfd);
  }

  park(): void {
    if (!this.#ring.arm()) this.#event.give(); // Something is there already: the runtime's loop goes first.
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

/**
 * The second way; see the module's text.
 *
 * @param nextLoop comes back when the runtime has looked at all its sockets, if immediates do; for tests
 */
export function parkByDescriptor(
  libc: Libc,
  ring: Ring,
  onReady: () => void,
  nextLoop: ((run: () => void) => void) | null = fairImmediate(),
): Probe<RingParking> {
  const eventfd = libc.call.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (eventfd < 0) return { found: null, refusal: `eventfd fails with error ${libc.errno()}` };
  const event = new EventCell(libc, eventfd);
  const parking = probeParking(libc, eventfd, () => {
    event.take();
    onReady();
  });
  if (parking.found === null) {
    libc.call.close(eventfd);
    return parking;
  }
  const { found } = parking;
  ring.disarm();
  const refusal = ring.registerEvent(eventfd);
  let isComing = false;
  let isClosed = false;
  const comeBack = (): void => {
    isComing = false;
    if (!isClosed) onReady();
  };
  if (refusal !== null) {
    void found.close().then(() => libc.call.close(eventfd));
    return { found: null, refusal };
  }
  return {
    found: {
      how: found.how,
      park: () => {
        if (isComing) return;
        if (ring.arm()) return found.park();
        if (nextLoop === null) { // Something is there already.
          event.give();
          return found.park();
        }
        isComing = true;
        nextLoop(comeBack);
      },
      disarm: () => ring.disarm(),
      ref: () => found.ref(),
      unref: () => found.unref(),
      close: async () => {
        isClosed = true;
        await found.close();
        libc.call.close(eventfd);
      },
    },
    refusal: null,
  };
}

/** The eventfd that a ring's completions are counted by. */
class EventCell {
  readonly #libc: Libc;
  readonly #eventfd: number;
  readonly #value = new BigUint64Array(new ArrayBuffer(256), 0, 1);

  constructor(libc: Libc, eventfd: number) {
    this.#libc = libc;
    this.#eventfd = eventfd;
  }

  /** Makes it readable. */
  give(): void {
    const { call } = this.#libc;
    this.#value[0] = 1n;
    while (
      call.write(this.#eventfd, this.#value, this.#libc.size(8)) < 0 && this.#libc.errno() === EINTR
    );
  }

  /** Empties it. */
  take(): void {
    const { call } = this.#libc;
    while (call.read(this.#eventfd, this.#value, this.#libc.size(8)) < 0 && this.#libc.errno() === EINTR);
  }
}

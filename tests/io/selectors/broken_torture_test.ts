/** Torture on a system that refuses at random: no connection gets another's bytes, nothing is left, and all settles. */

import { readdirSync } from "node:fs";
import { assertEquals } from "@std/assert";
import { EPOLL_CTL_ADD } from "../../../io/ffi/constants.ts";
import {
  EADDRNOTAVAIL,
  EAGAIN,
  ECONNABORTED,
  ECONNRESET,
  EINTR,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOTCONN,
  EPIPE,
} from "../../../io/ffi/errno.ts";
import type { Size } from "../../../io/ffi/load.ts";
import { type EpollSelector, openEpoll } from "../../../io/selectors/epoll.ts";
import { openUring, type UringSelector } from "../../../io/selectors/uring.ts";
import { Prng } from "../../../io/testing/prng.ts";
import { forSeeds } from "../../support/seeds.ts";
import { torture } from "../../contracts/selector/torture.ts";
import { type Breakage, breakingLoader } from "../ffi/broken_libc.ts";

/** No memory, and no room to wait for one more descriptor, by Linux's numbers. */
const [ENOMEM, ENOSPC] = [12, 28];

/** Descriptors this process has open. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** A system that begins to refuse when it is told to. */
class Refusals {
  isOn = false;
  readonly #prng: Prng;
  #size: (bytes: number) => Size = () => null as never;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  /** Tells how libc takes a length. */
  learn(selector: EpollSelector | UringSelector): void {
    this.#size = (bytes) => selector.libc.size(bytes);
  }

  readonly breakage: Breakage = (real, fail) => {
    /** Fails with one of `often` or `seldom`, or calls. */
    const or = (often: readonly number[], seldom: readonly number[], call: () => number): number => {
      const prng = this.#prng;
      if (!this.isOn) return call();
      if (prng.chance(1 / 10) && often.length > 0) return fail(often[prng.integer(0, often.length - 1)]!);
      if (prng.chance(1 / 100)) return fail(seldom[prng.integer(0, seldom.length - 1)]!);
      return call();
    };
    const sending = [ECONNRESET, EPIPE, ENOBUFS, ENOMEM];
    return {
      socket: (...all) => or([], [EMFILE, ENFILE, ENOBUFS, ENOMEM], () => real.socket(...all)),
      accept4: (...all) => {
        const passing = [EINTR, EAGAIN, ECONNABORTED];
        return or(passing, [EMFILE, ENFILE, ENOBUFS, ENOMEM], () => real.accept4(...all));
      },
      connect: (...all) => {
        const connected = (): number => {
          const status = real.connect(...all);
          return status === 0 && this.isOn && this.#prng.chance(0.1) ? fail(EINTR) : status; // It goes on by itself.
        };
        return or([], [EADDRNOTAVAIL, EAGAIN], connected);
      },
      recv: (...all) => or([EAGAIN, EINTR], [ECONNRESET, ENOMEM], () => real.recv(...all)),
      send: (fd, bytes, length, flags) =>
        or([EAGAIN, EINTR], sending, () => {
          const { byteLength } = bytes as Uint8Array;
          const isPart = this.isOn && byteLength > 1 && this.#prng.chance(0.2);
          return real.send(fd, bytes, isPart ? this.#size(this.#prng.skewed(byteLength)) : length, flags);
        }),
      sendmsg: (...all) => or([EAGAIN, EINTR], sending, () => real.sendmsg(...all)),
      shutdown: (...all) => or([], [ENOTCONN], () => real.shutdown(...all)),
      epollCtl: (set, operation, fd, event) => {
        const control = () => real.epollCtl(set, operation, fd, event);
        return operation === EPOLL_CTL_ADD ? or([], [ENOSPC, ENOMEM], control) : control();
      },
    };
  };
}

const VICTIMS: Readonly<Record<string, (refusals: Refusals) => EpollSelector | UringSelector>> = {
  epoll: ({ breakage }) => openEpoll({ load: breakingLoader(breakage) }),
  "uring with hardly any memory to send from": ({ breakage }) => {
    const options = { arenaBytes: 512 * 1024, isGuarded: true };
    return openUring({ ...options, load: breakingLoader(breakage) });
  },
};

for (const [name, open] of Object.entries(VICTIMS)) {
  const title = `torture on a system that refuses at random: ${name}`;
  Deno.test(title, async () => {
    await forSeeds(title, 2, async (seed) => {
      const before = descriptors();
      const refusals = new Refusals(seed);
      const selector = open(refusals);
      refusals.learn(selector);
      const options = { seed, connections: 40, openMax: 15, isSystemBroken: true };
      try {
        refusals.isOn = true;
        await torture(selector, options);
        const path = `${await Deno.makeTempDir()}/torture.sock`;
        await torture(selector, { ...options, path, isEndIgnored: true });
      } finally {
        refusals.isOn = false;
        await selector.close();
      }
      assertEquals(descriptors(), before);
    });
  });
}

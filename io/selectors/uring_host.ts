/**
 * What the connections and listeners of one io_uring share: ring, memory, and who a completion belongs to.
 *
 * A completion carries two numbers: the *slot* of its owner, and the *kind* of what completed. An owner keeps its slot
 * until its last entry has completed, so that a completion never reaches the next owner.
 *
 * @module
 */
import type { Libc } from "../ffi/libc.ts";
import { CQE, OP, SQE } from "../ffi/uring_layout.ts";
import type { TransportHub } from "../transport_hub.ts";
import type { DirectReader } from "./direct_read.ts";
import type { DirectSender } from "./direct_send.ts";
import type { PinnedArena } from "./uring_arena.ts";
import type { ReceiveBuffers } from "./uring_buffers.ts";
import type { UringMessages } from "./uring_messages.ts";
import type { PinnedPool } from "./uring_pool.ts";
import type { Ring } from "./uring_ring.ts";
import type { WaitingLoop } from "./waiting_loop.ts";

/** What completed; the upper half of what an entry is told by. */
export const KIND = {
  receive: 1,
  send: 2,
  close: 3,
  cancel: 4,
  poll: 5,
  accept: 6,
  connect: 7,
  arrival: 8,
} as const;

/** Flags of an `asyncCancel`: everything of a descriptor. */
export const CANCEL_ALL_OF_DESCRIPTOR = 1 | 2;

/** Who entries belong to. */
export interface UringOwner {
  /** One of its entries completed. `flags` are those of the completion. */
  complete(kind: number, result: number, flags: number): void;
}

/** A connection, as the selector's lists know it. */
export interface UringReader extends UringOwner {
  /** The end of a turn in which reading was paused. */
  settleReading(): void;
}

/** See the module's text. */
export interface UringHost {
  readonly hub: TransportHub;
  readonly libc: Libc;
  readonly ring: Ring;
  readonly arena: PinnedArena;
  readonly pool: PinnedPool;
  readonly buffers: ReceiveBuffers;
  readonly messages: UringMessages;
  /** Reads for who receives much. */
  readonly reader: DirectReader;
  /** Sends what the kernel must not read later. */
  readonly sender: DirectSender;
  /** The owners of entries. */
  readonly slots: SlotTable;
  /** When it looks for completions; `openTurn` has submitted what was prepared outside of its turns. */
  readonly loop: WaitingLoop;
  /** Has `settleReading` called when the turn ends. */
  settleLater(reader: UringReader): void;
  /** A descriptor was closed: who could not accept for want of one may try again. */
  descriptorClosed(): void;
}

/** Numbers for owners; the number of one that left is used again. */
export class SlotTable {
  readonly #owners: (UringOwner | null)[] = [];
  readonly #free: number[] = [];

  /** Slots in use. */
  get size(): number {
    return this.#owners.length - this.#free.length;
  }

  /** Gives an owner a slot. */
  take(owner: UringOwner): number {
    const slot = this.#free.pop();
    if (slot === undefined) return this.#owners.push(owner) - 1;
    this.#owners[slot] = owner;
    return slot;
  }

  /** Takes a slot back: none of its owner's entries is under way. */
  give(slot: number): void {
    this.#owners[slot] = null;
    this.#free.push(slot);
  }

  /** Who has a slot; `null` for nobody. */
  ownerOf(slot: number): UringOwner | null {
    return this.#owners[slot] ?? null;
  }
}

/** Prepares the end of every entry of a descriptor. They complete with ECANCELED, unless they were done anyway. */
export function cancelAll(ring: Ring, descriptor: number, slot: number): void {
  const at = ring.prepare(OP.asyncCancel, descriptor, slot, KIND.cancel);
  ring.words[at + SQE.operationFlags] = CANCEL_ALL_OF_DESCRIPTOR;
}

/** Prepares the end of one entry, by what it is told by. */
export function cancelOne(ring: Ring, slot: number, kind: number): void {
  const at = ring.prepare(OP.asyncCancel, -1, slot, KIND.cancel);
  ring.words[at + SQE.addressLow] = slot;
  ring.words[at + SQE.addressHigh] = kind;
}

/** Writes a 64-bit address into an entry. */
export function setAddress(ring: Ring, at: number, address: number): void {
  ring.words[at + SQE.addressLow] = address;
  ring.words[at + SQE.addressHigh] = address / 2 ** 32;
}

/** Hands the backlog's completions to their owners; returns how many there were. */
export function dispatchBacklog(ring: Ring, slots: SlotTable): number {
  let done = 0;
  while (ring.backlogStart < ring.backlogEnd) {
    const at = ring.backlogStart;
    const { backlog } = ring; // A callback may have made it grow.
    ring.backlogStart = at + CQE.words;
    done++;
    slots.ownerOf(backlog[at]!)?.complete(
      backlog[at + CQE.userHigh]!,
      backlog[at + CQE.result]!,
      backlog[at + CQE.flags]!,
    );
  }
  ring.clearBacklog();
  return done;
}

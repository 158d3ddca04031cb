/**
 * The event queue of a memory network: one dispatch per turn, in order, by itself or step by step.
 *
 * Strategy: a dispatch runs, then the microtasks it caused, then the turn's end (the sends), then the next dispatch.
 * "All microtasks" cannot be asked for without a runtime's help, so a fixed number of microtask hops stands for it:
 * more than promise code on top usually chains, and the same on every run, which is what makes runs repeatable. Code
 * that chains more only gets its bytes into the next turn.
 *
 * Now and then a real macrotask comes between, so that a network that never goes quiet starves nobody.
 *
 * @module
 */

/** Microtask hops that stand for "all microtasks of the turn": an `await` of an async function's result takes 3. */
const TURN_HOPS = 32;

/** Turns between two real macrotasks: about 2 ms of turns. */
const TURNS_PER_MACROTASK = 1_000;

interface Pending {
  readonly atTurn: number;
  readonly dispatch: () => void;
}

/** See the module's text. */
export class TurnQueue {
  readonly #endTurn: () => void;
  /** Sorted by turn; equal turns in the order of posting. */
  readonly #pending: Pending[] = [];
  #turn = 0;
  #isFlushWanted = false;
  #isRunning = false;
  #waiters: (() => void)[] = [];

  /** @param endTurn runs at the end of each turn */
  constructor(endTurn: () => void) {
    this.#endTurn = endTurn;
  }

  /** Turns that were run. */
  get turns(): number {
    return this.#turn;
  }

  /** Whether nothing is left to dispatch or send. */
  get isIdle(): boolean {
    return this.#pending.length === 0 && !this.#isFlushWanted;
  }

  /**
   * Queues a dispatch.
   *
   * @param dispatch must not throw
   * @param delayTurns how many turns to let pass first
   */
  post(dispatch: () => void, delayTurns = 0): void {
    const atTurn = this.#turn + delayTurns;
    let index = this.#pending.length;
    while (index > 0 && this.#pending[index - 1]!.atTurn > atTurn) index--;
    this.#pending.splice(index, 0, { atTurn, dispatch });
    this.#wake();
  }

  /** Asks for the present turn's end to be run, whether or not there is anything to dispatch. */
  wantEndTurn(): void {
    this.#isFlushWanted = true;
    this.#wake();
  }

  /** Resolves when nothing is left to dispatch or send, microtasks included. */
  runUntilIdle(): Promise<void> {
    if (this.isIdle && !this.#isRunning) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #wake(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    await hop(); // Nothing is dispatched from inside the call that asked for it.
    while (!this.isIdle) {
      this.#turn++;
      const next = this.#pending[0];
      if (next !== undefined) {
        if (next.atTurn > this.#turn && !this.#isFlushWanted) this.#turn = next.atTurn;
        if (next.atTurn <= this.#turn) {
          this.#pending.shift();
          next.dispatch();
        }
      }
      await hop();
      this.#isFlushWanted = false;
      this.#endTurn();
      if (this.#turn % TURNS_PER_MACROTASK === 0) {
        await new Promise<void>((resolve) => setImmediate(resolve)); // A timer of 0 ms takes 1 ms on Node.
      }
    }
    this.#isRunning = false;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

async function hop(): Promise<void> {
  for (let i = 0; i < TURN_HOPS; i++) await null;
}

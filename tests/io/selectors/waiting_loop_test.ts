/** The loop on a source and a parking that are none, so that every step is seen. */

import { assertEquals } from "@std/assert";
import type { Parking } from "../../../io/selectors/parking.ts";
import { afterLoop } from "../../../io/selectors/native_turn.ts";
import { WaitingLoop } from "../../../io/selectors/waiting_loop.ts";

class Stage {
  /** What happened, in order. */
  readonly events: string[] = [];
  /** How many events each dispatch finds; none when it is empty. */
  readonly batches: number[] = [];
  /** What a dispatch does besides. */
  onDispatch = (): void => {};
  /** Whether the last dispatch was to be a small one. */
  isShared = false;
  nowMs = 0;
  wake = (): void => {};
  readonly loop: WaitingLoop;

  constructor() {
    const note = (event: string): void => void this.events.push(event);
    const parking: Parking = {
      how: "woken by the test",
      park: () => note("park"),
      ref: () => note("ref"),
      unref: () => note("unref"),
      close: () => (note("close"), Promise.resolve()),
    };
    this.loop = new WaitingLoop({
      source: {
        dispatch: (isShared) => {
          const count = this.batches.shift() ?? 0;
          this.isShared = isShared;
          note(`dispatch ${count}`);
          this.onDispatch();
          return count;
        },
        flush: () => note("flush"),
      },
      park: (onReady) => {
        this.wake = onReady;
        return parking;
      },
      now: () => this.nowMs,
      goMs: 10,
    });
  }

  /**
   * Wakes the loop as the runtime would, lets it run to its end, and tells what happened since the last time. A timer lets
   * all turns end; what the loop has put off by `afterLoop` comes before what is put off so after that, which no timer does;
   * and what it does then has ended before what is put off once more.
   */
  async run(wake = this.wake): Promise<string[]> {
    await new Promise<void>((resolve) =>
      setTimeout(() => {
        wake();
        setTimeout(() => afterLoop(() => afterLoop(resolve)), 0);
      }, 0)
    );
    return this.events.splice(0);
  }

  /** The same beside a runtime that has work of its own for some milliseconds. */
  runBeside(workMs: number): Promise<string[]> {
    return this.run(() => {
      this.wake();
      this.nowMs += workMs;
    });
  }
}

Deno.test("it is parked at first, and again when nothing is there", async () => {
  const stage = new Stage();
  assertEquals(await stage.run(), ["park", "dispatch 0", "park"]);
  assertEquals(stage.loop.how, "woken by the test");
});

Deno.test("it goes on while there is more, each batch a turn, and does not ask again after a single event", async () => {
  const stage = new Stage();
  stage.batches.push(64, 2, 1, 5);
  stage.onDispatch = () => {
    queueMicrotask(() => stage.events.push("microtask"));
    stage.loop.afterTurn(() => stage.events.push("end of turn"));
  };
  const turn = ["microtask", "end of turn", "flush"];
  assertEquals(await stage.run(), [
    "park",
    "dispatch 64",
    ...turn,
    "dispatch 2",
    ...turn,
    "dispatch 1",
    ...turn,
    "park",
  ]);
});

Deno.test("it gives way when its time is up", async () => {
  const stage = new Stage();
  stage.batches.push(9, 9, 9);
  stage.onDispatch = () => void (stage.nowMs += 6);
  assertEquals(await stage.run(), ["park", "dispatch 9", "flush", "dispatch 9", "flush", "park"]);
  assertEquals(await stage.run(), ["dispatch 9", "flush", "dispatch 0", "park"]);
});

Deno.test("woken with what it left, it lets the runtime go through its loop first; for what came later it does not", async () => {
  const stage = new Stage();
  stage.batches.push(9, 9);
  stage.onDispatch = () => void (stage.nowMs += 20);
  await stage.run(() => {
    stage.wake();
    assertEquals(stage.events, ["park", "dispatch 9"]); // At once: it was idle.
  });
  const events = await stage.run(() => {
    afterLoop(() => stage.events.push("what the runtime had found"));
    stage.wake();
    stage.wake(); // A signal too many.
    assertEquals(stage.events, []);
  });
  assertEquals(events, ["what the runtime had found", "dispatch 9", "flush", "park"]);
});

Deno.test("while the runtime is busy with its own it gets more turns in a row, sixteen at most", async () => {
  const stage = new Stage();
  stage.batches.push(9, 9);
  stage.onDispatch = () => void (stage.nowMs += 20);
  assertEquals(await stage.run(), ["park", "dispatch 9", "flush", "park"]);
  for (let turn = 0; turn < 16; turn++) {
    // Longer and longer: it is never taken for what is usual.
    assertEquals(await stage.runBeside(2 ** turn), ["park"], `turn ${turn}`);
  }
  assertEquals(await stage.runBeside(1e9), ["dispatch 9", "flush", "park"]);
});

Deno.test("woken late it gives another turn, since the runtime may have worked before it woke us, and shares nothing for that", async () => {
  const stage = new Stage();
  stage.onDispatch = () => void (stage.nowMs += 20);
  for (let i = 0; i < 40; i++) {
    stage.batches.push(9);
    assertEquals((await stage.run()).slice(-3), ["dispatch 9", "flush", "park"]);
    assertEquals(stage.isShared, false, `go ${i}`);
    stage.nowMs += 2 ** i; // More than twice the usual, which this slowly becomes.
    assertEquals(await stage.run(), ["park"], `go ${i}`);
  }
});

Deno.test("beside a runtime that is busy after most goes, goes are short and batches small", async () => {
  const stage = new Stage();
  const go = ["dispatch 9", "flush"];
  stage.batches.push(9);
  stage.onDispatch = () => void (stage.nowMs += 10);
  await stage.run();
  stage.onDispatch = () => void (stage.nowMs += 4);
  for (let i = 0; i < 5; i++) {
    assertEquals(stage.isShared, false, `go ${i}`); // A thread that was interrupted now and then shares nothing.
    assertEquals(await stage.runBeside(2 ** i), ["park"], `go ${i}`); // More than twice the usual, which this slowly becomes.
    stage.batches.push(9, 9, 9);
    const whole = [...go, ...go, ...go, "park"]; // 12 ms are more than 10.
    assertEquals(await stage.run(), i < 4 ? whole : [...go, "park"], `go ${i}`); // One batch a go.
    stage.batches.length = 0;
  }
  assertEquals(stage.isShared, true);
  let quiet = 0;
  for (; stage.isShared; quiet++) {
    stage.batches.push(9);
    await stage.run();
  }
  assertEquals(quiet, 2); // 0.28 after five, 0.26 and 0.24 after them.
});

Deno.test("what is posted runs from a dispatch of its own, after the end of the turn", async () => {
  const stage = new Stage();
  stage.batches.push(1);
  stage.onDispatch = () => {
    stage.loop.post(() => {
      stage.events.push("posted");
      stage.loop.afterTurn(() => stage.events.push("its end of turn"));
      stage.loop.post(() => stage.events.push("posted by it"));
    });
    stage.loop.afterTurn(() => stage.events.push("end of turn"));
  };
  assertEquals(await stage.run(), [
    ...["park", "dispatch 1", "end of turn", "posted", "flush"],
    ...["its end of turn", "posted by it", "flush", "park"],
  ]);
});

Deno.test("a turn outside of its goes ends as well, and does not look for events", async () => {
  const stage = new Stage();
  const outside = await stage.run(() => {
    stage.loop.afterTurn(() => stage.events.push("end of turn"));
    stage.loop.post(() => stage.events.push("posted"));
  });
  assertEquals(outside, ["park", "end of turn", "posted", "flush"]);
});

Deno.test("it keeps the process alive while anybody holds it", async () => {
  const stage = new Stage();
  stage.loop.hold();
  stage.loop.hold();
  stage.loop.release();
  stage.loop.release();
  stage.loop.hold();
  assertEquals(stage.events, ["park", "ref", "unref", "ref"]);
  await stage.loop.close();
  assertEquals(await stage.run(), ["park", "ref", "unref", "ref", "close"]); // Woken, it does nothing any more.
});

Deno.test("closed within a go, it ends the turn and parks no more", async () => {
  const stage = new Stage();
  stage.batches.push(9, 9);
  stage.onDispatch = () => void stage.loop.close();
  assertEquals(await stage.run(), ["park", "dispatch 9", "close", "flush"]);
});

Deno.test("a source that knows whether it is ready is looked at after every turn, and parked again", async () => {
  const events: string[] = [];
  const parked = Promise.withResolvers<void>();
  let ready = 0;
  const loop = new WaitingLoop({
    source: {
      get isReady() {
        return ready > 0;
      },
      dispatch: () => {
        events.push("dispatch");
        return ready > 0 ? ready-- : 0;
      },
      flush: () => void events.push("flush"),
    },
    park: () => ({
      how: "woken by the test",
      park: () => {
        if (events.push("park") > 1) parked.resolve();
      },
      ref: () => {},
      unref: () => {},
      close: () => Promise.resolve(),
    }),
    now: () => 0,
  });
  ready = 2; // As if the turn's own flush had brought something at once.
  loop.openTurn();
  loop.openTurn();
  await parked.promise;
  assertEquals(events, ["park", "flush", "dispatch", "flush", "dispatch", "flush", "park"]);
  await loop.close();
});

Deno.test("a source that knows whether it is ready is parked again by a turn outside, and no sooner served for it, while it gives way", async () => {
  const events: string[] = [];
  let nowMs = 0;
  let wake = (): void => {};
  const loop = new WaitingLoop({
    source: {
      isReady: true,
      dispatch: () => {
        nowMs += 20;
        return events.push("dispatch");
      },
      flush: () => void events.push("flush"),
    },
    park: (onReady) => {
      wake = onReady;
      return {
        how: "woken by the test",
        park: () => void events.push("park"),
        ref: () => {},
        unref: () => {},
        close: () => Promise.resolve(),
      };
    },
    now: () => nowMs,
    goMs: 10,
  });
  const passes = (act: () => void): Promise<string[]> =>
    new Promise((resolve) =>
      setTimeout(() => {
        act();
        setTimeout(() => afterLoop(() => afterLoop(() => resolve(events.splice(0)))), 0);
      }, 0)
    );
  assertEquals(await passes(wake), ["park", "dispatch", "flush", "park"]);
  assertEquals(await passes(() => loop.openTurn()), ["flush", "park"]);
  const woken = await passes(() => {
    wake();
    loop.openTurn();
  });
  assertEquals(woken, ["flush", "dispatch", "flush", "park"]);
  await loop.close();
  assertEquals(await passes(() => loop.openTurn()), ["flush"]);
});

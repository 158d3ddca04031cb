import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { afterLoop, afterTurn, setUnrefTimer } from "../../../io/selectors/native_turn.ts";

Deno.test("a turn ends when all microtasks are done, those of microtasks as well", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      afterTurn(() => {
        order.push("end");
        resolve();
      });
      queueMicrotask(() => {
        order.push("one");
        Promise.resolve().then(() => order.push("two")).then(() => order.push("three"));
      });
      order.push("here");
    }, 0);
  });
  assertEquals(order, ["here", "one", "two", "three", "end"]);
});

Deno.test("an unref'ed timer fires, unless it is cancelled", async () => {
  const fired: string[] = [];
  const cancel = setUnrefTimer(1, () => fired.push("cancelled"));
  const keepAlive = setTimeout(() => {}, 60_000);
  await new Promise<void>((resolve) => {
    setUnrefTimer(5, () => {
      fired.push("fired");
      resolve();
    });
    cancel();
  });
  clearTimeout(keepAlive);
  assertEquals(fired, ["fired"]);
});

Deno.test("the runtime goes through its loop before it comes back", async () => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    afterLoop(() => {
      order.push("back");
      resolve();
    });
    setImmediate(() => order.push("one turn"));
  });
  assertEquals(order, ["one turn", "back"]);
});

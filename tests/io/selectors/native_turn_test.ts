import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { afterLoop, afterTurn, fairImmediate, setUnrefTimer } from "../../../io/selectors/native_turn.ts";

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

Deno.test("where immediates are fair, a socket is read although there is always one more of them", async () => {
  const nextLoop = fairImmediate();
  if (nextLoop === null) return; // Deno and Node; the others are held to it.
  const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(client, "connect");
  let isOver = false;
  let count = 0;
  const next = (): void => {
    count++;
    if (!isOver) nextLoop(next);
  };
  next();
  const rounds: number[] = [];
  for (let round = 0; round < 50; round++) {
    const before = count;
    client.write("x");
    await once(client, "data");
    rounds.push(count - before);
  }
  isOver = true;
  client.destroy();
  server.close();
  assert(Math.min(...rounds) < 20, `an echo took ${rounds} immediates`);
});

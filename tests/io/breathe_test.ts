import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { connect } from "node:net";
import { breather } from "../../io/breathe.ts";
import { serve } from "../../server/serve.ts";

Deno.test("it gives the loop a turn only when the time is used up, and counts anew after it", async () => {
  const clock = { ms: 0, now: () => clock.ms };
  const breathe = breather({ budgetMs: 5, clock });
  assertEquals(breathe(), undefined);
  clock.ms = 4.9;
  assertEquals(breathe(), undefined);
  clock.ms = 5;
  const turn = breathe();
  assert(turn instanceof Promise);
  clock.ms = 20; // Others ran.
  await turn;
  clock.ms = 24.9;
  assertEquals(breathe(), undefined);
  clock.ms = 25;
  const next = breathe();
  assert(next instanceof Promise);
  await next;
});

Deno.test("a turn is one in which requests are answered, however many rounds the loop makes", async () => {
  await using server = serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response("ok"));
  assert(server.addr.transport === "tcp");
  const { port } = server.addr;
  let answered = 0;
  const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  socket.on("data", () => {
    if (++answered < 20) socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  });
  const breathe = breather({ budgetMs: 2 });
  let rounds = 0;
  for (; answered < 20; rounds++) await breathe(); // Without the turns this never ends.
  socket.destroy();
  assertGreater(rounds, 20);
});

Deno.test("a budget that is not above 0 is refused", () => {
  for (const budgetMs of [0, -1, NaN]) assertThrows(() => breather({ budgetMs }), RangeError);
});

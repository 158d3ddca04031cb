/**
 * Clients that hold a server by being slow: in the header, in the body, in reading. They are cut, counted, and cost little;
 * everybody else is served all the while.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { RawClient } from "../support/raw_client.ts";
import { spawnChild } from "../support/spawn_child.ts";
import {
  type Attacked,
  boundedDuring,
  metricsOf,
  servedDuring,
  startAttacked,
  untilMetrics,
  untilQuiet,
} from "./support/attack.ts";

/** Attackers at once: several times what a pool of threads has, and quick to start. */
const ATTACKERS = 100;

const crowd = (server: Attacked) =>
  Promise.all(Array.from({ length: ATTACKERS }, () => RawClient.connect({ port: server.port })));

/** How often a deadline has passed. */
async function passed(server: Attacked, deadline: string): Promise<number | undefined> {
  return (await metricsOf(server.url)).get(`sluice_deadlines_passed_total{deadline="${deadline}"}`);
}

Deno.test("headers that drip are answered 408 in time, however steadily they drip", async () => {
  await using server = await startAttacked({ deadlines: { headMs: 500 } });
  const clients = await crowd(server);
  const attack = async (client: RawClient) => {
    await client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    const answer = client.readResponse();
    let isOver = false;
    answer.finally(() => isOver = true).catch(() => {});
    for (let i = 0; !isOver; i++) {
      try {
        await client.send(`X-${i}: y\r\n`);
      } catch {
        break; // the server has closed
      }
      await new Promise((resolve) => setTimeout(resolve, 50)); // dripping is the attack
    }
    return (await answer).status;
  };
  try {
    const statuses = await servedDuring(server, Promise.all(clients.map(attack)));
    assertEquals(statuses, Array(ATTACKERS).fill(408));
    assertEquals(await passed(server, "head"), ATTACKERS);
  } finally {
    for (const client of clients) client.close();
  }
  await untilQuiet(server.url);
});

Deno.test("connections on which nothing is said are closed", async () => {
  await using server = await startAttacked({ deadlines: { firstByteMs: 2_000 } });
  const clients = await crowd(server);
  try {
    await servedDuring(server, Promise.all(clients.map((client) => client.expectClosed())));
    assertEquals(await passed(server, "firstByte"), ATTACKERS);
  } finally {
    for (const client of clients) client.close();
  }
});

Deno.test("a body that stops coming is answered 408", async () => {
  await using server = await startAttacked({ deadlines: { bodyIdleMs: 300 } });
  const clients = await crowd(server);
  const attack = async (client: RawClient) => {
    await client.send("POST /events/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    return (await client.readResponse()).status;
  };
  try {
    assertEquals(await servedDuring(server, Promise.all(clients.map(attack))), Array(ATTACKERS).fill(408));
    assertEquals(await passed(server, "bodyIdle"), ATTACKERS);
  } finally {
    for (const client of clients) client.close();
  }
  await untilQuiet(server.url);
});

Deno.test("readers that take nothing are reset, and what waits for them is bounded", async () => {
  await using server = await startAttacked({ deadlines: { writeStallMs: 500 } });
  const clients = await crowd(server);
  const attack = async (client: RawClient) => { // together they ask for 1.6 GiB
    await client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readUntil("\r\n\r\n"); // and no more
  };
  try {
    const stalled = async () => {
      await Promise.all(clients.map(attack));
      while ((await passed(server, "writeStall") ?? 0) < ATTACKERS);
    };
    await boundedDuring(server, stalled);
    for (const client of clients) assertEquals(await client.waitEnd(), "reset");
  } finally {
    for (const client of clients) client.close();
  }
});

// ---- the attacker everybody uses -------------------------------------------------------------------------------------

/** Whether Debian's slowhttptest is there. */
const HAS_SLOWHTTPTEST = await (async () => {
  try {
    await new Deno.Command("slowhttptest", { args: ["-h"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log("skipped: slowhttptest is not installed (Debian: apt-get install slowhttptest)");
    return false;
  }
})();

/**
 * Runs slowhttptest with 300 connections until a condition is met; resolves with what it printed. Left alone it would go on
 * for a minute: it does not notice that it was reset while it has bytes to read.
 */
async function slowhttptest(args: string[], isEnough: () => Promise<unknown>): Promise<string> {
  // 30 s for its probes: it is to find a server that does not answer, not a machine with other work.
  const all = ["-c", "300", "-r", "300", "-p", "30", "-l", "60", ...args];
  await using attack = spawnChild("slowhttptest", all);
  await isEnough();
  await attack.stop("SIGINT"); // it ends in order
  const parts = attack.stdout.text.split("\x1b["); // it colours always
  return parts.map((part) => part.replace(/^[0-9;]*[A-Za-z]/, "")).join("");
}

/** What each of its attacks is, and which deadline ends it. */
const ATTACKS: Readonly<Record<string, { args: string[]; path: string; deadline: string }>> = {
  "-H, slow headers": { args: ["-H", "-i", "1"], path: "/healthz", deadline: "head" },
  "-B, slow bodies": {
    args: ["-B", "-t", "POST", "-s", "8192", "-i", "1"],
    path: "/events/x",
    deadline: "bodyRate",
  },
  "-X, slow reads": {
    args: ["-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3"],
    path: "/large",
    deadline: "writeStall",
  },
};

for (const [name, { args, path, deadline }] of Object.entries(ATTACKS)) {
  Deno.test({
    name: `slowhttptest ${name}: the service is available throughout, and every attacker is cut`,
    ignore: !HAS_SLOWHTTPTEST,
    async fn() {
      await using server = await startAttacked({ deadlines: { headMs: 1_000, writeStallMs: 1_000 } });
      const all = `sluice_deadlines_passed_total{deadline="${deadline}"}`;
      // On a busy machine a probe of its own may be cut, too, since it reads what it asks for as slowly as it is run.
      const areCut = () => untilMetrics(server.url, (samples) => (samples.get(all) ?? 0) >= 300);
      const said = await boundedDuring(
        server,
        () => slowhttptest([...args, "-u", server.url + path], areCut),
      );
      assertStringIncludes(said, "service available:   YES");
      assert(!said.includes("service available:   NO"), said);
    },
  });
}

/** The page of `deno task serve` in a real browser: its chat, its stop button, its live topic. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { spawnServe } from "../support/spawn_serve.ts";
import { metricsOf, untilMetrics } from "./support/attack.ts";
import { Browser, findChromium } from "./support/browser.ts";

const PROGRAM = await findChromium();
if (PROGRAM === null) console.log("skipped: no browser is installed (Debian: apt-get install chromium)");

/** The text of an element. */
const text = (id: string) => `document.getElementById(${JSON.stringify(id)}).textContent`;

/** Runs a test with the ready-made server's page open. */
async function withPage(play: (page: Browser, url: string) => Promise<void>): Promise<void> {
  await using server = await spawnServe();
  await using page = await Browser.start(PROGRAM!);
  await page.open(`${server.url}/`);
  await page.waitFor(`${text("live")} === "live"`);
  await play(page, server.url);
}

const ignore = PROGRAM === null;

Deno.test({
  name: "the page streams an answer through the gateway, and its stop button stops the upstream",
  ignore,
  fn: () =>
    withPage(async (page, url) => {
      await page.waitFor(`${text("model")} === "model sluice-demo"`);
      const send = async (prompt: string) => {
        await page.run(`document.getElementById("prompt").value = ${JSON.stringify(prompt)}`);
        await page.run(`document.querySelector("#chat button[type=submit]").click()`);
      };

      await send("short"); // 40 to 119 tokens, by the prompt
      await page.waitFor(`${text("answer")}.length > 0`);
      await page.waitFor(`${text("chat-status")}.startsWith("done: ")`);
      assert((await page.run(text("answer")) as string).split(" ").length > 20);
      assertEquals(await page.run(`document.getElementById("stop").disabled`), true);
      assertEquals((await metricsOf(url)).get("sluice_gateway_upstream_cancels_total"), 0);

      await send("to be stopped");
      await page.waitFor(`${text("answer")}.length > 0`);
      await page.run(`document.getElementById("stop").click()`);
      await page.waitFor(`${text("chat-status")}.startsWith("stopped after ")`);
      const metrics = await untilMetrics(
        url,
        (samples) => samples.get("sluice_gateway_upstream_cancels_total") === 1,
      );
      assertEquals(metrics.get("sluice_gateway_requests_active"), 0);
      await untilMetrics(url, (samples) => samples.get("sluice_demo_answers_abandoned_total") === 1);

      await send("again"); // the page goes on after a stop
      await page.waitFor(`${text("chat-status")}.startsWith("done: ")`);
    }),
});

Deno.test({
  name: "what one page publishes appears on the live topic, also after a reload, and is never markup",
  ignore,
  fn: () =>
    withPage(async (page, url) => {
      const markup = "<img src=x onerror=alert(1)> &amp; größer 🌊";
      const publish = async (data: string) => {
        await page.run(`document.getElementById("message").value = ${JSON.stringify(data)}`);
        await page.run(`document.querySelector("#publish button[type=submit]").click()`);
      };
      await publish("from the page");
      await page.waitFor(`${text("events")}.includes("from the page")`);
      assertEquals(await page.run(text("topic-status")), "published");
      const response = await fetch(`${url}/events/lobby`, { method: "POST", body: markup });
      await response.body?.cancel();
      await page.waitFor(`document.querySelectorAll("#events li").length === 2`);
      assertStringIncludes(await page.run(text("events")) as string, markup);
      assertEquals(await page.run(`document.querySelectorAll("#events img").length`), 0);

      await page.reload();
      await page.waitFor(`${text("live")} === "live"`);
      const shown = `[...document.querySelectorAll("#events li")].map((item) => item.lastChild.data)`;
      assertEquals(await page.run(shown), ["from the page", markup]);
      await page.open("about:blank"); // and what came while nobody looked
      await (await fetch(`${url}/events/lobby`, { method: "POST", body: "meanwhile" })).body?.cancel();
      await page.open(`${url}/`);
      await page.waitFor(`document.querySelectorAll("#events li").length === 3`);
      assertEquals(await page.run(shown), ["from the page", markup, "meanwhile"]);
      await publish("after the reload");
      await page.waitFor(`${text("events")}.includes("after the reload")`);
      await untilMetrics(url, (samples) => samples.get("sluice_hub_readers") === 1); // the page before has left
    }),
});

Deno.test({
  name:
    "the page starts jobs, shows how far they are, cancels one, and has their stories again after a reload",
  ignore,
  fn: () =>
    withPage(async (page, url) => {
      const states =
        `[...document.querySelectorAll("#jobs li .status")].map((item) => item.textContent).join("; ")`;
      const start = async (runner: string, input: string) => {
        await page.run(`document.getElementById("runner").value = ${JSON.stringify(runner)}`);
        await page.run(`document.getElementById("job-input").value = ${JSON.stringify(input)}`);
        await page.run(`document.querySelector("#job button[type=submit]").click()`);
      };
      await page.waitFor(`document.querySelectorAll("#runner option").length === 2`);
      await start("primes", "1000000");
      await page.waitFor(`${states} === 'done: {"count":78498,"largest":999983}'`);
      await start("chat", "short");
      await page.waitFor(`/^done: .*; done: /.test(${states})`); // the newest first
      await start("primes", "5000000000");
      const isAtWork =
        `document.querySelectorAll("#jobs li").length === 3 && document.querySelector("#jobs progress").value > 0`;
      await page.waitFor(isAtWork);
      await page.run(`document.querySelector("#jobs li button").click()`);
      await page.waitFor(`${states}.startsWith("cancelled: ")`);
      const before = await page.run(states);
      const said =
        `[...document.querySelectorAll("#jobs li .said")].map((item) => item.textContent).join("; ")`;
      const words = await page.run(said);
      await page.reload();
      await page.waitFor(`${states} === ${JSON.stringify(before)}`);
      assertEquals(await page.run(said), words);
      await untilMetrics(url, (samples) => samples.get('sluice_jobs{state="cancelled"}') === 1);
    }),
});

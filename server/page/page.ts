/**
 * The small page that `deno task serve` shows at `/`: a chat through the gateway, a live topic, and jobs, in plain HTML.
 *
 * It is one string without outside parts, so that a remote `mod.ts`, a compiled executable and a read-free permission
 * set can all serve it. Styles and script stand inline; the policy that `PAGE_CSP` gives admits just them and requests
 * to the same origin.
 *
 * @module
 */
import { JOBS_SCRIPT } from "./jobs_script.ts";
import { PAGE_SCRIPT } from "./page_script.ts";
import { PAGE_STYLE } from "./page_style.ts";

/** Content-Security-Policy for the page: inline style and script, requests to the own origin, nothing else. */
export const PAGE_CSP =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page, a whole HTML document. */
export const PAGE_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
  <h1>Sluice</h1>
  <p>Every byte below came through its own HTTP engine. <a href="/metrics">metrics</a> <a href="/healthz">health</a></p>
</header>
<main>
  <section aria-labelledby="chat-title">
    <h2 id="chat-title">Chat through the gateway</h2>
    <p class="hint"><code>POST /v1/chat/completions</code> <span id="model">…</span></p>
    <div id="answer" class="output" role="log" aria-live="polite"></div>
    <form id="chat">
      <input id="prompt" name="prompt" aria-label="Message" autocomplete="off" maxlength="4000" value="Why do streams need backpressure?">
      <button type="submit">Send</button>
      <button type="button" id="stop" disabled>Stop</button>
    </form>
    <p id="chat-status" class="status" role="status">ready</p>
  </section>
  <section aria-labelledby="topic-title">
    <h2 id="topic-title">A live topic</h2>
    <p class="hint"><code>GET /events/lobby</code> <span id="live">connecting</span></p>
    <ol id="events" class="output"></ol>
    <form id="publish">
      <input id="message" name="message" aria-label="Event data" autocomplete="off" maxlength="4000" value="hello, everyone">
      <button type="submit">Publish</button>
    </form>
    <p id="topic-status" class="status" role="status">Open this page twice: both see every event.</p>
  </section>
  <section aria-labelledby="jobs-title" class="wide">
    <h2 id="jobs-title">Jobs</h2>
    <p class="hint"><code>POST /jobs</code> a reload, or a second tab, gets each job's whole story</p>
    <form id="job">
      <select id="runner" aria-label="Runner"></select>
      <input id="job-input" aria-label="Input" autocomplete="off" maxlength="4000">
      <button type="submit">Start</button>
    </form>
    <p id="job-status" class="status" role="status">ready</p>
    <ol id="jobs"></ol>
  </section>
</main>
</body>
<script>${PAGE_SCRIPT}${JOBS_SCRIPT}</script>
</html>
`;

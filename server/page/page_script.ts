/**
 * The page's script, as text; see `page.ts`.
 *
 * It shows what the services do: it reads the chat's event stream by `fetch` (an `EventSource` cannot POST), stops it by
 * aborting, which reaches the upstream, and follows a topic by `EventSource`, which reconnects with `Last-Event-ID`. What
 * was shown outlives a reload in the tab's session storage, and so does the position: what came meanwhile is replayed.
 *
 * @module
 */

/** JavaScript of the page. Text from the network only ever becomes `textContent`. */
export const PAGE_SCRIPT = `
"use strict";
const at = (id) => document.getElementById(id);
const EVENTS_SHOWN_MAX = 200;
let model = "";
let running = null;

async function problemOf(response) {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    return body.error?.message ?? body.detail ?? body.title ?? text;
  } catch {
    return text;
  }
}

async function loadModel() {
  const response = await fetch("/v1/models");
  if (!response.ok) throw new Error(await problemOf(response));
  model = (await response.json()).data[0].id;
  at("model").textContent = "model " + model;
}

async function* eventData(body) {
  let rest = "";
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const events = rest.split(/\\r?\\n\\r?\\n/);
    rest = events.pop();
    for (const event of events) {
      const lines = event.split(/\\r?\\n/).filter((line) => line.startsWith("data:"));
      if (lines.length > 0) yield lines.map((line) => line.slice(5).trimStart()).join("\\n");
    }
  }
}

async function chat(prompt) {
  running = new AbortController();
  at("stop").disabled = false;
  at("answer").textContent = "";
  const started = performance.now();
  let first = null;
  let tokens = 0;
  let complete = false;
  try {
    if (model === "") await loadModel();
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      signal: running.signal,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model, stream: true, messages: [{ role: "user", content: prompt }] }),
    });
    if (!response.ok) throw new Error(response.status + ": " + await problemOf(response));
    for await (const data of eventData(response.body)) {
      if (data === "[DONE]") { complete = true; continue; }
      const text = JSON.parse(data).choices?.[0]?.delta?.content;
      if (!text) continue;
      first ??= performance.now() - started;
      tokens++;
      at("answer").append(text);
      at("answer").scrollTop = at("answer").scrollHeight;
    }
    const end = complete ? "done" : "cut short";
    at("chat-status").textContent = end + ": first token after " + Math.round(first ?? 0) + " ms, " + tokens + " chunks";
  } catch (error) {
    at("chat-status").textContent = error.name === "AbortError"
      ? "stopped after " + tokens + " chunks; the upstream was told" : "failed: " + error.message;
  } finally {
    running = null;
    at("stop").disabled = true;
  }
}

at("chat").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running === null) chat(at("prompt").value);
});
at("stop").addEventListener("click", () => running?.abort());

const shown = JSON.parse(sessionStorage.getItem("lobby") ?? "[]");

function show(event) {
  const item = document.createElement("li");
  const id = document.createElement("small");
  id.textContent = event.id;
  item.append(id, event.data);
  at("events").append(item);
  while (at("events").children.length > EVENTS_SHOWN_MAX) at("events").firstElementChild.remove();
  at("events").scrollTop = at("events").scrollHeight;
}

shown.forEach(show);
const position = shown.at(-1)?.id;
const source = new EventSource("/events/lobby" + (position ? "?lastEventId=" + encodeURIComponent(position) : ""));
source.onopen = () => at("live").textContent = "live";
source.onerror = () => at("live").textContent = "reconnecting";
source.onmessage = ({ lastEventId, data }) => {
  const event = { id: lastEventId, data };
  show(event);
  shown.push(event);
  if (shown.length > EVENTS_SHOWN_MAX) shown.shift();
  sessionStorage.setItem("lobby", JSON.stringify(shown));
};

at("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const response = await fetch("/events/lobby", { method: "POST", body: at("message").value });
    at("topic-status").textContent = response.ok ? "published" : "failed: " + await problemOf(response);
  } catch (error) {
    at("topic-status").textContent = "failed: " + error.message;
  }
});

loadModel().catch((error) => at("model").textContent = "no model: " + error.message);
`;

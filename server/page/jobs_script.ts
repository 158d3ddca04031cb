/**
 * The page's script for its jobs, as text; see `page.ts`. It goes on from `page_script.ts`, whose names it uses.
 *
 * Every job shown is followed by an `EventSource` of its own, which gets the whole story, comes back by `Last-Event-ID` when
 * it breaks, and is closed at the story's end. The newest jobs of the server are shown, whoever began them.
 *
 * @module
 */

/** JavaScript of the page's jobs. Text from the network only ever becomes `textContent`. */
export const JOBS_SCRIPT = `
const JOBS_SHOWN_MAX = 4; // a browser opens six connections to a server: the lobby has one, and buttons need one
const followed = new Map();
const ENDS = ["done", "failed", "cancelled"];

function part(name, className, parent) {
  const element = document.createElement(name);
  if (className) element.className = className;
  parent.append(element);
  return element;
}

function titleOf({ runner, input }) {
  if (runner === "primes") return "primes below " + Number(input?.below).toLocaleString("en");
  return runner + ": " + String(input?.prompt ?? "").slice(0, 80);
}

function follow(job) {
  if (followed.has(job.id)) return;
  const item = document.createElement("li");
  item.dataset.job = job.id;
  const title = part("span", "", item);
  title.textContent = titleOf(job);
  const cancel = part("button", "", item);
  cancel.type = "button";
  cancel.textContent = "Cancel";
  cancel.addEventListener("click", () => cancelJob(job.id));
  const bar = part("progress", "", item);
  bar.max = 1;
  bar.value = 0;
  const state = part("span", "status", item);
  state.textContent = job.state;
  const said = part("div", "said", item);
  at("jobs").prepend(item);
  const source = new EventSource("/jobs/" + job.id + "/events");
  followed.set(job.id, { item, source });
  const on = (name, act) => source.addEventListener(name, ({ data }) => act(data));
  on("queued", () => state.textContent = "queued");
  on("started", () => state.textContent = "running");
  on("progress", (data) => {
    const progress = JSON.parse(data);
    bar.value = progress.part ?? 0;
    if (progress.found !== undefined) said.textContent = progress.found.toLocaleString("en") + " found";
  });
  on("output", (data) => {
    said.append(data);
    said.scrollTop = said.scrollHeight;
  });
  for (const end of ENDS) {
    on(end, (data) => {
      const value = JSON.parse(data);
      const detail = end === "done" ? JSON.stringify(value.result) : end === "failed" ? value.message : value.how;
      state.textContent = end + (detail ? ": " + detail : "");
      if (end === "done") bar.value = 1;
      cancel.disabled = true;
      source.close();
    });
  }
  for (const [id, { item, source }] of followed) {
    if (followed.size <= JOBS_SHOWN_MAX) break;
    source.close();
    item.remove();
    followed.delete(id);
  }
}

async function cancelJob(id) {
  try {
    const response = await fetch("/jobs/" + id, { method: "DELETE" });
    at("job-status").textContent = response.ok ? "cancelled" : "failed: " + await problemOf(response);
  } catch (error) {
    at("job-status").textContent = "failed: " + error.message;
  }
}

async function startJob() {
  const runner = at("runner").value;
  const text = at("job-input").value;
  const input = runner === "primes" ? { below: Number(text) } : { prompt: text };
  const response = await fetch("/jobs", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ runner, input }),
  });
  if (!response.ok) throw new Error(await problemOf(response));
  follow(await response.json());
  at("job-status").textContent = "started";
}

at("job").addEventListener("submit", (event) => {
  event.preventDefault();
  startJob().catch((error) => at("job-status").textContent = "failed: " + error.message);
});
function suggest() {
  at("job-input").value = at("runner").value === "primes" ? "1000000000" : "Tell me a long story";
}
at("runner").addEventListener("change", suggest);

async function showJobs() {
  const response = await fetch("/jobs?limit=" + JOBS_SHOWN_MAX);
  if (!response.ok) throw new Error(await problemOf(response));
  const { jobs, runners } = await response.json();
  for (const runner of runners) part("option", "", at("runner")).textContent = runner;
  suggest();
  for (const job of jobs.reverse()) follow(job);
}

showJobs().catch((error) => at("job-status").textContent = "failed: " + error.message);
`;

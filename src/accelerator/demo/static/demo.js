// The site works without this. With it, pages are fetched and put in place, so that what their response headers say
// can be shown: a page that is kept is the same for everybody and cannot know how it got here.

const page = document.querySelector("#page");
const facts = document.querySelector("#facts");
const log = document.querySelector("#log");
const kept = document.querySelector("#kept");

// --- how an answer came ----------------------------------------------------------------------------------------------

function outcomeOf(status) {
  const ttl = Number(/ttl=(-?\d+)/.exec(status)?.[1]);
  if (/; hit\b/.test(status)) return ttl < 0 ? "stale" : "hit";
  return /; collapsed/.test(status) && !/; stored/.test(status) ? "hit" : "miss";
}

function milliseconds(value) {
  return value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function byWorker(number) {
  return number ? ` by worker ${number}` : "";
}

function showFacts({ status, age, server, browser, worker }) {
  const outcome = outcomeOf(status);
  const making = page.querySelector("[data-made-ms]")?.dataset;
  const made = Number(making?.madeMs);
  const maker = making?.madeBy;
  const told = {
    hit: made && server !== null ? `From the cache, in place of ${milliseconds(made)} of work${byWorker(maker)}.` : "From the cache.",
    stale: "Past its time: served at once, while a new one is made behind your back. Ask again.",
    miss: /; stored/.test(status) ? "Made just now, and kept." : "Made just now, and not kept.",
  }[outcome];
  const texts = {
    outcome,
    status: status || "none",
    age: age === null ? "–" : `${age} s`,
    server: milliseconds(server),
    browser: milliseconds(browser),
    worker: worker ? `worker ${worker}` : "", // one that is alone does not tell
    maker: maker ? `worker ${maker}` : "",
    told,
  };
  for (const [name, text] of Object.entries(texts)) facts.querySelector(`[data-fact=${name}]`).textContent = text;
  for (const name of ["worker", "maker"]) facts.querySelector(`[data-fact=${name}]`).parentElement.hidden = !texts[name];
  facts.dataset.outcome = outcome;
  facts.hidden = false;
}

function showComplaint(text) {
  facts.querySelector("[data-fact=told]").textContent = text;
  facts.hidden = false;
}

// The page that this script came with tells through Server-Timing, which repeats the headers that matter here.
function showFirstFacts() {
  const entry = performance.getEntriesByType("navigation")[0];
  const timings = new Map(entry?.serverTiming?.map((timing) => [timing.name, timing]));
  if (!timings.has("total")) return showComplaint("Ask again to see how the answer came.");
  showFacts({
    status: timings.get("cache-status")?.description ?? "",
    age: timings.get("age")?.description ?? null,
    server: timings.get("total").duration,
    browser: entry.responseEnd - entry.requestStart,
    worker: timings.get("worker")?.description,
  });
}

// --- fetching pages --------------------------------------------------------------------------------------------------

async function ask(address, options = {}) {
  facts.setAttribute("aria-busy", "true");
  try {
    const started = performance.now();
    // no-store keeps the browser's own cache out of the picture; a redirect is followed below, to time it alone
    const response = await fetch(address, { cache: "no-store", redirect: "manual", ...options });
    const text = await response.text();
    const browser = performance.now() - started;
    const timing = response.headers.get("server-timing");
    const total = /total;dur=([\d.]+)/.exec(timing);
    const told = {
      status: response.headers.get("cache-status") ?? "",
      age: response.headers.get("age"),
      server: total && Number(total[1]),
      browser,
      worker: /worker;desc="(\d+)"/.exec(timing)?.[1],
    };
    return { response, document: new DOMParser().parseFromString(text, "text/html"), told };
  } catch {
    showComplaint("The server does not answer. Nothing is lost: try again once it is back.");
    return null;
  } finally {
    facts.removeAttribute("aria-busy");
  }
}

let latest = 0;

async function show(path, sentForm = null) {
  const turn = ++latest;
  const answer = await ask(path);
  if (!answer || turn !== latest) return false; // something else was asked for meanwhile
  const samePage = page.dataset.path === path;
  const before = samePage ? remember(sentForm) : null;
  page.replaceChildren(...answer.document.querySelector("#page").childNodes);
  page.dataset.path = path;
  document.title = answer.document.title;
  for (const link of document.querySelectorAll("#people a")) {
    link.toggleAttribute("aria-current", link.pathname === path);
    if (link.pathname === path) link.setAttribute("aria-current", "page");
  }
  if (before) restore(before);
  else {
    window.scrollTo(0, 0);
    page.focus({ preventScroll: true });
  }
  showFacts(answer.told);
  return true;
}

// What was typed into other forms, where the focus was, and what each part said, so that changes can be seen.
function remember(sentForm) {
  const typed = [...page.querySelectorAll("[name]")].filter((field) => field.form !== sentForm);
  return {
    fields: typed.map((field) => [field.id, field.value]),
    focus: document.activeElement?.id || document.activeElement?.form?.id,
    parts: [...page.querySelectorAll("section[id]")].map((part) => [part.id, part.querySelector(".content").innerText]),
  };
}

function restore({ fields, focus, parts }) {
  for (const [id, value] of fields) {
    const field = document.getElementById(id);
    if (field && (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value))) {
      field.value = value;
    }
  }
  const target = focus && document.getElementById(focus);
  (target?.tagName === "FORM" ? target.querySelector("button") : target)?.focus({ preventScroll: true });
  for (const [id, text] of parts) {
    const part = document.getElementById(id);
    part?.classList.toggle("changed", part.querySelector(".content").innerText !== text);
  }
}

async function send(form) {
  const body = new URLSearchParams(new FormData(form));
  const answer = await ask(form.action, { method: "POST", body });
  if (!answer) return;
  if (answer.response.type === "opaqueredirect") {
    await show(location.pathname, form);
  } else {
    const again = answer.document.getElementById(form.id);
    if (again) {
      form.replaceWith(again); // as it was filled in, with the reason why it was not taken
      again.querySelector("[name]").focus();
    } else {
      showComplaint(answer.document.querySelector("#error")?.textContent ?? `The server answered ${answer.response.status}.`);
    }
  }
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (await show(link.pathname)) history.pushState(null, "", link.pathname);
});
document.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target);
});
document.querySelector("#again").addEventListener("click", () => show(location.pathname));
window.addEventListener("popstate", () => location.pathname === page.dataset.path || show(location.pathname));

// --- the live list ---------------------------------------------------------------------------------------------------

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function seconds(value) {
  return `${Math.max(0, Math.floor(value))} s`;
}

function nameOf(path) {
  return path === "/" ? "front page" : path.replace("/people/", "");
}

const words = {
  hit: (event) => (event.collapsed ? "waited for the same page, " : "") + `${seconds(event.age)} old, ${seconds(event.ttl)} left`,
  stale: (event) => `${seconds(event.age)} old, being made anew`,
  validated: () => "still holds",
  miss: (event) => (event.detail === "stored" ? `made, kept for ${seconds(event.ttl)}` : `made, not kept: ${event.detail}`),
  pass: () => "straight to the application",
  invalidate: (event) => (event.took_back.length ? `took back ${event.took_back.map(nameOf).join(", ")}` : "no page was made from it"),
};

function addToLog(event) {
  const item = element("li", "", event.kind);
  item.append(
    element("time", new Date(event.at * 1000).toLocaleTimeString([], { hour12: false })),
    element("span", event.kind === "invalidate" ? "invalidated" : event.kind, "badge"),
    element("b", event.kind === "invalidate" ? event.tags.join(", ") : `${event.method} ${event.path}`),
    element("span", words[event.kind](event) + (event.worker ? ` · worker ${event.worker}` : ""), "quiet"),
  );
  log.prepend(item);
  while (log.children.length > 60) log.lastElementChild.remove();
}

// Until when each page is fresh, in seconds since the epoch.
const freshUntil = new Map();

function noteKept(event) {
  if (event.ttl !== null) freshUntil.set(event.path, event.at + event.ttl);
  for (const path of event.took_back) freshUntil.delete(path);
}

function showKept() {
  const now = Date.now() / 1000;
  for (const row of kept.children) {
    const left = freshUntil.get(row.dataset.path) - now; // NaN if it is not kept
    const state = left > 0 ? "fresh" : left > -kept.dataset.staleSeconds ? "stale" : "gone";
    row.className = state;
    row.style.setProperty("--left", left > 0 ? Math.min(1, left / kept.dataset.freshSeconds) : 0);
    row.querySelector(".state").textContent = { fresh: `fresh ${Math.round(left)} s`, stale: "stale", gone: "not kept" }[state];
  }
}

let source = null;

function listen() {
  source = new EventSource("/events");
  const state = document.querySelector("#live");
  source.onopen = () => {
    state.textContent = "live";
    log.replaceChildren(); // the server tells again what it remembers
    freshUntil.clear();
  };
  source.onerror = () => (state.textContent = "not connected");
  source.onmessage = (message) => {
    const event = JSON.parse(message.data);
    addToLog(event);
    noteKept(event);
    showKept();
  };
}

// A browser opens few connections to one server: a tab that nobody sees gives its own back.
document.addEventListener("visibilitychange", () => {
  source?.close();
  if (!document.hidden) listen();
});

page.dataset.path = location.pathname;
document.querySelector("#aside").hidden = false;
showFirstFacts();
listen();
setInterval(showKept, 500);

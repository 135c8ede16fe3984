// How well it does, at a glance.

import { Attention } from "./attention.js";
import { minutes, RatioChart, rateOf, ratioOf, steps, TrafficChart } from "./charts.js";
import { byId, element, fill, link, say } from "./dom.js";
import { drawRequests, FROM_STORE, outcome, OUTCOMES, reason } from "./requests.js";
import { brief, bytes, count, moment, percent, plural, rate, span, sum, time } from "./words.js";

const MINUTE = 12; // steps

const attention = new Attention();
const ratioChart = new RatioChart(byId("ratio-chart"));
const trafficChart = new TrafficChart(byId("traffic-chart"));

const totalOf = (reasons) => sum(Object.values(reasons ?? {}));

// What needs attention is looked at whichever view is shown; returns what is to be said aloud.
export function drawAttention(figures) {
  const matters = attention.of(figures);
  byId("attention").hidden = matters.length === 0;
  fill(byId("attention"), matters, ([kind]) => kind, () => element("li"), (row, [, words]) => say(row, words));
  return matters;
}

export function drawOverview(figures) {
  const all = steps(figures);
  drawFigures(figures, all.slice(-MINUTE));
  ratioChart.show(all);
  trafficChart.show(all);
  drawMinutes(all);
  drawOutcomes(figures);
  drawRanks(byId("urls"), figures.urls, (url) => link("story", "url", url), "No hits yet.");
  drawRanks(byId("tags"), figures.tags, (tag) => link("entries", "tag", tag), "No hits of responses with tags yet.");
  drawRequests(byId("latest"), figures.latest, figures.until);
}

function drawFigures(figures, minute) {
  const { requests, store } = figures;
  const isNear = store.entries === undefined && store.near?.entries !== undefined; // a far store may not count them
  const held = isNear ? store.near : store;
  const totals = Object.fromEntries(Object.entries(requests).map(([kind, reasons]) => [kind, totalOf(reasons)]));
  const all = sum(Object.values(totals));
  const fromStore = sum(FROM_STORE.map((kind) => totals[kind] ?? 0));
  const words = {
    ratio: percent(ratioOf(minute)),
    "ratio-more": `${percent(fromStore / all)} since the start; ${percent(fromStore / (all - (totals.pass ?? 0)))} without what passes by`,
    rate: rate(rateOf(minute)),
    "rate-more": `${count(all)} since the start`,
    saved: span(figures.seconds_saved),
    "saved-more": fromStore ? `${span(figures.seconds_saved / fromStore)} each` : "",
    served: bytes(figures.bytes_served),
    "served-more": plural(fromStore, "response"),
    filling: count(figures.filling),
    "filling-more": `${count(figures.collapsed)} waited for another’s`,
    entries: brief(held.entries),
    "entries-more": sizeOf(held) + (isNear ? ", in the near store" : ""),
  };
  for (const [figure, text] of Object.entries(words)) say(document.querySelector(`[data-figure=${figure}]`), text);
  say(byId("since"), `since ${moment(figures.since, figures.until)}`);
}

function sizeOf({ kind, bytes: size, max_bytes: most }) {
  if (size === undefined) return kind;
  return `${bytes(size)}${most === undefined ? "" : ` of ${bytes(most)}`}`;
}

function drawMinutes(all) {
  const cells = (some) => [time(some[0][0]), count(sum(some.map((step) => step[1] + step[2]))), count(sum(some.map((step) => step[1]))), percent(ratioOf(some))];
  const make = () => element("tr", {}, element("th", { scope: "row" }), ...[1, 2, 3].map(() => element("td", { class: "number" })));
  fill(byId("minutes"), [...minutes(all).entries()], ([index]) => index, make, (row, [, some]) =>
    cells(some).forEach((text, index) => say(row.children[index], text)),
  );
}

function drawOutcomes({ requests, refreshes }) {
  const all = sum(Object.values(requests).map(totalOf));
  const kinds = Object.keys(OUTCOMES).filter((kind) => totalOf(requests[kind]));
  fill(byId("outcomes"), kinds, String, makeOutcome, (row, kind) => {
    const number = totalOf(requests[kind]);
    say(row.querySelector(".number"), count(number));
    say(row.querySelector(".share"), percent(number / all));
    row.style.setProperty("--share", number / all);
    const why = Object.entries(requests[kind]).filter(([text]) => text !== "");
    fill(row.querySelector("ul"), why.sort((one, other) => other[1] - one[1]), ([text]) => text, makeReason, drawReason);
  });
  const isEmpty = kinds.length === 0;
  byId("outcomes").toggleAttribute("data-empty", isEmpty);
  const made = totalOf(refreshes);
  say(byId("refreshes"), made ? `Besides, ${plural(made, "page was", "pages were")} made anew in the background, ${count(refreshes.stored ?? 0)} of them stored.` : "");
}

const makeOutcome = (kind) =>
  element("li", { "data-outcome": kind },
    element("p", { class: "line" }, outcome(kind), element("span", { class: "quiet" }, OUTCOMES[kind]), element("span", { class: "number" }), element("span", { class: "share quiet" })),
    element("div", { class: "bar", "aria-hidden": "true" }),
    element("ul", {}),
  );

const makeReason = ([text]) => element("li", {}, reason(text), " ", element("span", { class: "number" }));
const drawReason = (row, [, number]) => say(row.querySelector(".number"), count(number));

function drawRanks(list, ranks, linked, none) {
  list.dataset.none = none;
  const most = Math.max(1, ...ranks.map(([, number]) => number));
  fill(list, ranks, ([text]) => text, ([text]) => element("li", {}, linked(text), element("span", { class: "number" })), (row, [, number]) => {
    row.style.setProperty("--share", number / most);
    say(row.lastElementChild, count(number));
  });
}

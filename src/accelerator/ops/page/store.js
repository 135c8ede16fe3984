// How the store does: what it keeps, what fails, what lags.

import { drawHistogram, inWords } from "./charts.js";
import { byId, element, fill, say, visible } from "./dom.js";
import { bytes, count, inMilliseconds, inSeconds, NONE, percent, rate, span } from "./words.js";

const YES = { true: "yes", false: "no, each has its own" };
const KINDS = { tag: "a tag", url: "a URL", all: "everything" };

export function drawStore(figures) {
  const { store } = figures;
  drawFacts(byId("kept"), kept(store));
  drawFacts(byId("health"), health(store));
  byId("near-section").hidden = !store.near;
  if (store.near) drawFacts(byId("near"), near(store.near));
  drawInvalidations(figures);
  byId("fanout-section").hidden = !store.fanout;
  drawCounts(byId("fanout"), Object.entries(store.fanout ?? {}), ["sent", "failed", "waiting"]);
  drawHistogram(byId("ages"), figures.ages);
  drawHistogram(byId("fills"), figures.fills);
  drawHistogram(byId("durations"), figures.invalidating);
}

function held({ entries, bytes: size, max_bytes: most }) {
  const used = Number.isFinite(size) && most ? ` (${percent(size / most)})` : "";
  return [
    ["entries", count(entries)],
    ["size", bytes(size) + used],
    ["at most", bytes(most)],
  ];
}

function kept(store) {
  return [
    ["kind", store.kind],
    ["shared by the workers", YES[store.shared] ?? NONE],
    ...held(store),
    ["evictions", count(store.evictions)],
  ].filter(([, words]) => words !== NONE);
}

function health({ errors = {}, breaker_open: isOpen }) {
  const state = { true: "not asked for now", false: "asked" }[isOpen] ?? NONE;
  const failed = Object.entries(errors).map(([method, number]) => [`failed: ${method}`, count(number)]);
  return [["the store is", state, isOpen], ...failed].filter(([, words]) => words !== NONE);
}

function near({ lease, behind, heartbeat, lapsed, emptied, applied, waited, waiting, silent, ...keeps }) {
  return [
    ...held(keeps),
    ["may answer for", lease > 0 ? inSeconds(lease) : "it may not", lease === 0],
    ["lacks", `${count(behind)} invalidations`, behind > 0],
    ["heartbeat took", inMilliseconds(heartbeat)],
    ["lapsed", count(lapsed)],
    ["emptied", count(emptied)],
    ["invalidations applied", count(applied)],
    ["invalidations waited", waited ? `${count(waited)}, ${span(waiting / waited)} each` : count(waited)],
    ["followers silent", count(silent)],
  ].filter(([, words]) => words !== NONE);
}

function drawFacts(list, facts) {
  const make = ([label]) => element("div", {}, element("dt", {}, label), element("dd"));
  fill(list, facts, ([label]) => label, make, (row, [, words, isGrave]) => {
    say(row.lastElementChild, visible(words));
    row.classList.toggle("is-grave", Boolean(isGrave));
  });
}

function drawCounts(body, counted, columns) {
  const make = ([label]) => element("tr", {}, element("th", { scope: "row" }, visible(label)), ...columns.map(() => element("td", { class: "number" })));
  fill(body, counted, ([label]) => label, make, (row, [, numbers]) =>
    columns.forEach((column, index) => say(row.children[index + 1], count(numbers[column] ?? 0))),
  );
}

function drawInvalidations({ invalidations, invalidations_failed: failed, invalidating, since, until }) {
  const rows = Object.entries(KINDS).map(([kind, label]) => [label, invalidations[kind] ?? {}]);
  drawCounts(byId("invalidations"), rows, ["hard", "soft"]);
  const number = rows.reduce((total, [, { hard = 0, soft = 0 }]) => total + hard + soft, 0);
  drawFacts(byId("invalidating"), [
    ["took", inWords(invalidating)],
    ["a minute", until > since ? rate((number * 60) / (until - since)) : NONE],
    ["failed, and repeated", count(failed)],
  ]);
}

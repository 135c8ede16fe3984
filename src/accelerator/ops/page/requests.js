// Requests: how each outcome is said, and the table of the latest ones.

import { address, element, fill, link, say, tableRow, visible } from "./dom.js";
import { count, moment, span } from "./words.js";

export const OUTCOMES = {
  hit: "from the store",
  stale: "from the store, past its time",
  validated: "from the store, as the application said 304",
  miss: "from the application",
  pass: "passed by the cache",
};

export const FROM_STORE = ["hit", "stale"];

export const outcome = (kind) => element("span", { class: "outcome", "data-outcome": Object.hasOwn(OUTCOMES, kind) ? kind : null }, visible(kind));

// A reason is a link to its cure, but for those that are none.
export function reason(text) {
  if (text === "" || text === "stored") return element("span", { class: "quiet" }, text);
  return element("a", { href: address("reasons", { reason: text }), class: "reason" }, element("bdi", {}, visible(text)));
}

function requestRow(line, now) {
  return tableRow([
    ["Time", moment(line.time, now), "time"],
    ["Outcome", outcome(line.outcome)],
    ["Request", [element("span", { class: "method" }, visible(line.method), " "), link("story", "url", line.url)], "wide"],
    ["Reason", reason(line.reason), line.reason === "" ? "empty" : ""],
    ["Age", line.age === null ? "" : span(line.age), line.age === null ? "number empty" : "number"],
    ["Times", "", "number times"],
  ]);
}

export function drawRequests(body, lines, now) {
  const keyOf = ({ time, outcome: kind, reason: why, method, url }) => JSON.stringify([time, kind, why, method, url]);
  fill(body, lines, keyOf, (line) => requestRow(line, now), (row, { number }) => {
    say(row.lastElementChild, number > 1 ? `× ${count(number)}` : "");
    row.lastElementChild.classList.toggle("empty", number <= 1);
  });
}

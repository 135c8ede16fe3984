// What is not cached and why, grouped by reason, each with its cure.

import { allCures, cureOf } from "./cures.js";
import { byId, element, fill, link, say, visible } from "./dom.js";
import { count, percent, plural, sum } from "./words.js";

let wanted = null; // the reason whose group is to be looked at once it is drawn

// Each reason that was counted, most often first: [reason, number, [[url, number], …]].
function groups({ requests, refreshes, unstored }) {
  const numbers = new Map();
  for (const reasons of [...Object.values(requests), refreshes]) {
    for (const [reason, number] of Object.entries(reasons)) {
      if (reason !== "" && reason !== "stored") numbers.set(reason, (numbers.get(reason) ?? 0) + number);
    }
  }
  const urls = new Map([...numbers.keys()].map((reason) => [reason, []]));
  for (const [reason, url, number] of unstored) {
    if (!urls.has(reason)) urls.set(reason, []);
    urls.get(reason).push([url, number]);
  }
  const all = [...urls].map(([reason, some]) => [reason, numbers.get(reason) ?? sum(some.map(([, number]) => number)), some]);
  return all.sort((one, other) => other[1] - one[1]);
}

export function drawReasons(figures) {
  const all = sum(Object.values(figures.requests).flatMap((reasons) => Object.values(reasons)));
  const found = groups(figures);
  const number = sum(found.map((group) => group[1]));
  say(byId("reasons-lead"), all === 0 ? "No requests yet." : number === 0 ? "All that could be kept was kept." : `${plural(number, "request")} of ${count(all)} with a reason. The URLs are those of the last ten to twenty minutes.`);
  fill(byId("reasons"), found, ([reason]) => reason, makeGroup, (group, [, counted, urls]) => {
    say(group.querySelector(".number"), count(counted));
    say(group.querySelector(".share"), percent(counted / all));
    const sorted = urls.sort((one, other) => other[1] - one[1]);
    fill(group.querySelector("ol"), sorted, ([url]) => url, makeUrl, (row, [, times]) => say(row.lastElementChild, count(times)));
  });
  if (!byId("cures").hasChildNodes()) drawCures();
  if (wanted !== null) goTo(wanted);
}

const makeGroup = ([reason]) =>
  element("article", { "data-reason": reason },
    element("h3", { tabindex: "-1" }, element("bdi", { class: "reason" }, visible(reason))),
    element("p", { class: "counted" }, element("span", { class: "number" }), element("span", { class: "share quiet" })),
    element("p", { class: "cure" }, ...cureOf(reason)),
    element("ol", { class: "ranks" }),
  );

const makeUrl = ([url]) => element("li", {}, link("story", "url", url), element("span", { class: "number" }));

function drawCures() {
  byId("cures").replaceChildren(...allCures().flatMap(([reason, words]) => [element("dt", {}, reason), element("dd", {}, ...words)]));
}

// Look at one reason, now or as soon as it is drawn.
export function openReasons({ reason }) {
  wanted = reason ?? null;
  if (wanted !== null) goTo(wanted);
}

function goTo(reason) {
  const group = [...byId("reasons").children].find((child) => child.dataset.reason === reason);
  if (!group) return;
  wanted = null;
  for (const other of byId("reasons").children) other.classList.toggle("looked-at", other === group);
  group.scrollIntoView({ block: "start" });
  group.querySelector("h3").focus({ preventScroll: true });
}

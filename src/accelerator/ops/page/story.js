// All that is known of one URL: what is stored for it, for how long, and its latest requests.

import { story as ask } from "./api.js";
import { cureOf, loadCures } from "./cures.js";
import { address, byId, element, say, shape, tagLinks, visible } from "./dom.js";
import { stateMark, variantOf } from "./entries.js";
import { drawRequests, reason } from "./requests.js";
import { askToTakeBack } from "./takeback.js";
import { bytes, count, moment, NONE, plural, span, time } from "./words.js";

let url = "";
let turn = 0;

// The life of an entry as a line: fresh, then allowed to be served while it is made anew, then only after an error.
function lifeOf({ age, lifetime, stale_while_revalidate: whileMade, stale_if_error: ifError }) {
  const fresh = Math.max(0, lifetime);
  const ends = [fresh, fresh + whileMade, fresh + Math.max(whileMade, ifError)];
  const all = Math.max(ends[2], age, 1e-3);
  const part = (kind, from, to) => shape("rect", { class: kind, x: (100 * from) / all, width: (100 * Math.max(0, to - from)) / all, y: 3, height: 6 });
  const at = (100 * age) / all;
  return shape("svg", { class: "life", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
    part("rest", 0, all), part("fresh", 0, ends[0]), part("while-made", ends[0], ends[1]), part("if-error", ends[1], ends[2]),
    shape("line", { class: "marker", x1: at, x2: at, y1: 0, y2: 12 }));
}

function lifeInWords({ age, lifetime, ttl, stale_while_revalidate: whileMade, stale_if_error: ifError }) {
  const more = [whileMade > 0 && `served ${span(whileMade)} longer while it is made anew`, ifError > 0 && `${span(ifError)} longer if the application fails`];
  const fresh = ttl > 0 ? `fresh for ${span(ttl)} more` : `past its time by ${span(-ttl)}`;
  return [`${span(age)} old of ${span(lifetime)}: ${fresh}`, ...more.filter(Boolean)].join("; ");
}

function variant(entry, now) {
  const facts = [
    ["status", String(entry.status)],
    ["size", bytes(entry.size)],
    ["hits, lately", count(entry.hits)],
    ["came", moment(entry.received, now)],
    ["made in", span(entry.made_in)],
    ["route", entry.route || NONE],
    ["ETag", entry.etag ?? NONE],
  ].filter(([, words]) => words !== NONE);
  return element("article", { class: "entry" },
    element("h3", {}, stateMark(entry), " ", element("bdi", { class: "variant" }, variantOf(entry) || "for all requests")),
    lifeOf(entry),
    element("p", { class: "quiet" }, lifeInWords(entry)),
    element("dl", { class: "facts flat" }, ...facts.map(([label, words]) => element("div", {}, element("dt", {}, label), element("dd", {}, element("bdi", {}, visible(words)))))),
    ...(entry.tags.length ? tagLinks(entry.tags) : [element("p", { class: "quiet" }, "No tags.")]),
  );
}

function drawUnstored(reasons) {
  byId("story-unstored-section").hidden = reasons.length === 0;
  const said = ([why, number]) => [element("dt", {}, reason(why), " ", element("span", { class: "number quiet" }, `× ${count(number)}`)), element("dd", {}, ...cureOf(why))];
  byId("story-unstored").replaceChildren(...reasons.flatMap(said));
}

async function show() {
  const mine = ++turn;
  say(byId("story-told"), "Looking…");
  try {
    const [{ entries: variants, cursor, latest, unstored }] = await Promise.all([ask(url), loadCures()]);
    if (mine !== turn) return;
    const now = Date.now() / 1000;
    byId("variants").replaceChildren(...variants.map((entry) => variant(entry, now)));
    drawUnstored(unstored);
    drawRequests(byId("story-latest"), latest, now);
    byId("story-more").hidden = cursor === null;
    const found = variants.length || cursor !== null ? `${plural(variants.length, "variant")} ${cursor === null ? "stored" : "found so far"}` : "Nothing is stored for it";
    say(byId("story-told"), `${found}, as of ${time(now)}.`);
  } catch (trouble) {
    if (mine !== turn) return;
    byId("variants").replaceChildren();
    say(byId("story-told"), trouble.message);
  }
}

export function openStory(about) {
  url = about.url ?? "";
  say(byId("story-url"), visible(url));
  byId("story-more").href = address("entries", { url });
  byId("story-more").hidden = true;
  byId("variants").replaceChildren();
  drawUnstored([]);
  drawRequests(byId("story-latest"), [], 0);
  return show();
}

export function setUpStory() {
  byId("story-again").addEventListener("click", show);
  byId("story-take-back").addEventListener("click", () => askToTakeBack("url", url, show));
}

// What is stored, by tag, by URL or all of it, a hundred at a time.

import { entries as ask } from "./api.js";
import { address, byId, element, say, short, tableRow, tagLinks, urlLink, visible } from "./dom.js";
import { askToTakeBack } from "./takeback.js";
import { bytes, count, plural, span } from "./words.js";

const PAGE = 100;
const VARIANT_LENGTH = 120;

let listed = {}; // what is listed: {tag}, {url} or {}
let cursors = [null]; // those of the pages so far; the last one is that of the page that is shown
let next = null;
let turn = 0; // an answer to an earlier question is dropped

export function stateOf({ is_usable: isUsable, is_fresh: isFresh, ttl }) {
  if (!isUsable) return "taken back";
  if (!isFresh) return "softly taken back";
  return ttl > 0 ? "fresh" : "stale";
}

export const stateMark = (entry) => {
  const state = stateOf(entry);
  return element("span", { class: "entry-state", "data-entry-state": state }, state);
};

// A variant in words: each field that the response is chosen by, with its value.
export function variantOf({ method, vary, selected_by: values, partition }) {
  const fields = vary.map((field, index) => `${field}: ${values[index] || "none"}`);
  return [method === "GET" ? "" : method, ...fields, partition ? "in a partition" : ""].filter(Boolean).map(visible).join(" · ");
}

function entryRow(entry) {
  const variant = variantOf(entry);
  return tableRow([
    ["URL", urlLink(entry.url), "head"],
    ["State", stateMark(entry)],
    ["Status", String(entry.status), "number"],
    ["Age", span(entry.age), "number"],
    ["TTL", span(entry.ttl), "number"],
    ["Size", bytes(entry.size), "number"],
    ["Hits", count(entry.hits), "number"],
    ["Tags", tagLinks(entry.tags), entry.tags.length ? "" : "empty"],
    ["Variant", short(variant, VARIANT_LENGTH, { class: "variant" }), variant ? "" : "empty"],
  ]);
}

// Ask until a page is full: a store looks through a part of what it has at a time.
async function gather(cursor, mine) {
  const found = [];
  let examined = 0;
  let at = cursor;
  do {
    const part = await ask({ ...listed, cursor: at, limit: PAGE - found.length });
    if (mine !== turn) return null;
    found.push(...part.entries);
    examined += part.examined;
    at = part.cursor;
    if (at !== null) say(byId("entries-told"), `Looking: ${plural(found.length, "entry", "entries")} found among ${count(examined)}…`);
  } while (at !== null && found.length < PAGE && !byId("entries-stop").hidden);
  return { found, examined, cursor: at };
}

async function show() {
  const mine = ++turn;
  byId("entries-stop").hidden = false;
  say(byId("entries-told"), "Looking…");
  setPages(null);
  try {
    const page = await gather(cursors.at(-1), mine);
    if (!page) return;
    byId("entries").replaceChildren(...page.found.map(entryRow));
    setPages(page.cursor);
    say(byId("entries-told"), wordsOf(page));
  } catch (trouble) {
    if (mine !== turn) return;
    byId("entries").replaceChildren();
    say(byId("entries-told"), `${trouble.message} Nothing is listed.`);
  }
  if (mine === turn) byId("entries-stop").hidden = true;
}

function setPages(cursor) {
  next = cursor;
  byId("entries-on").disabled = next === null;
  byId("entries-back").disabled = cursors.length === 1;
}

function wordsOf({ found, examined, cursor }) {
  const number = plural(found.length, "entry", "entries");
  const place = cursors.length === 1 && cursor === null ? `${number}, and no more` : `${number} on page ${cursors.length}${cursor === null ? ", the last one" : ""}`;
  return `${place}; ${count(examined)} looked at.`;
}

// Show the view for what its address says.
export function openEntries({ tag, url }) {
  listed = tag ? { tag } : url ? { url } : {};
  cursors = [null];
  byId("entries-by").value = tag ? "tag" : url ? "url" : "all";
  byId("entries-name").value = tag ?? url ?? "";
  suit();
  return show();
}

function suit() {
  const isAll = byId("entries-by").value === "all";
  byId("entries-name").disabled = isAll;
  byId("entries-name").required = !isAll;
  byId("entries-take-back").hidden = isAll;
}

export function setUpEntries() {
  byId("entries-by").addEventListener("change", suit);
  byId("entries-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const [by, name] = [byId("entries-by").value, byId("entries-name").value];
    const wanted = address("entries", by === "all" ? {} : { [by]: name });
    if (location.hash === wanted) openEntries(by === "all" ? {} : { [by]: name });
    else location.hash = wanted;
  });
  byId("entries-take-back").addEventListener("click", () => {
    if (byId("entries-form").reportValidity()) askToTakeBack(byId("entries-by").value, byId("entries-name").value, show);
  });
  byId("entries-stop").addEventListener("click", (event) => (event.target.hidden = true));
  byId("entries-on").addEventListener("click", () => {
    cursors.push(next);
    show();
  });
  byId("entries-back").addEventListener("click", () => {
    cursors.pop();
    show();
  });
}

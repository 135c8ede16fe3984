// What each reason means, and what to do about it. The server has it, with "…" in a reason for what is filled in.

import { cures as ask } from "./api.js";
import { element } from "./dom.js";

let cures = []; // [reason, { why, cure, rule }]
let asked = null;

// Ask for them, once. What fails is asked for again the next time.
export function loadCures() {
  asked ??= ask().then(
    (told) => {
      cures = Object.entries(told);
    },
    (trouble) => {
      asked = null;
      throw trouble;
    },
  );
  return asked;
}

export const allCures = () => cures.map(([reason, told]) => [reason, inWords(told)]);

// What is to be read about a reason, once they are loaded.
export function cureOf(reason) {
  const told = cures.find(([pattern]) => isOne(reason, pattern))?.[1];
  return told ? inWords(told) : ["This page knows no cure for it: the documentation’s page “Why was this not cached?” has them all."];
}

function isOne(reason, pattern) {
  const [start, end] = pattern.split("…");
  if (end === undefined) return reason === pattern;
  return reason.length > start.length + end.length && reason.startsWith(start) && reason.endsWith(end);
}

// What a view or an option says stands in backquotes.
const marked = (text) => text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));

function inWords({ why, cure, rule }) {
  return [...marked(`${why} ${cure}`), rule && element("span", { class: "quiet" }, ` ${rule}`)];
}

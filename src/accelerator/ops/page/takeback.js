// Taking back: nothing is sent before somebody has seen what it is, and said yes.

import { invalidate } from "./api.js";
import { byId, element, name, say, visible } from "./dom.js";
import { time } from "./words.js";

const WORD = "everything";
const KINDS = {
  tag: {
    title: "Take back all with this tag?",
    means: "Each stored response that has the tag is taken back, whatever its URL, in every process that shares the store.",
    body: (text, soft) => ({ tags: [text], urls: [], all: false, soft }),
  },
  url: {
    title: "Take back this URL?",
    means: "All variants that are stored for it are taken back, in every process that shares the store.",
    body: (text, soft) => ({ tags: [], urls: [text], all: false, soft }),
  },
  all: {
    title: "Take back everything?",
    means: "The store begins anew: the application makes each page once more, all of them at the same time.",
    body: () => ({ tags: [], urls: [], all: true, soft: false }),
  },
};

let asked = null; // {kind, text, then}: what the dialog is about
let isSending = false;
let afterwards = () => {};

export function askToTakeBack(kind, text, then = () => {}) {
  asked = { kind, text, then };
  isSending = false;
  say(byId("dialog-title"), KINDS[kind].title);
  byId("dialog-name").replaceChildren(kind === "all" ? "Every stored response" : name(text));
  say(byId("dialog-means"), KINDS[kind].means);
  byId("dialog-softly").hidden = kind === "all";
  byId("dialog-soft").checked = false;
  byId("dialog-word").hidden = kind !== "all";
  byId("dialog-typed").value = "";
  say(byId("dialog-result"), "");
  delete byId("dialog-result").dataset.result;
  say(byId("dialog-close"), "Keep it");
  byId("dialog-go").hidden = false;
  suit();
  byId("dialog").showModal();
  byId(kind === "all" ? "dialog-typed" : "dialog-close").focus();
}

function suit() {
  byId("dialog-go").disabled = isSending || (asked.kind === "all" && byId("dialog-typed").value.trim() !== WORD);
  for (const field of ["dialog-soft", "dialog-typed"]) byId(field).disabled = isSending;
}

// What came of it: a kind, which the style sheet knows, and words.
async function outcomeOf({ kind, text }, soft) {
  try {
    const { done, reason } = await invalidate(KINDS[kind].body(text, soft));
    if (done) return ["done", "Done: it is taken back."];
    return ["repeated", `Not everywhere yet; it is being repeated: ${visible(reason)}`];
  } catch (trouble) {
    if (trouble.isKnown) return ["failed", `It failed: ${trouble.message}`];
    return ["failed", `${trouble.message} Nobody knows whether it is taken back: do it again, twice does no harm.`];
  }
}

async function send() {
  const about = asked;
  const soft = byId("dialog-soft").checked;
  isSending = true;
  suit();
  say(byId("dialog-result"), "Taking back…");
  const line = note(about, soft);
  const [result, words] = await outcomeOf(about, soft);
  tell(line.lastElementChild, result, words);
  afterwards();
  about.then();
  if (asked !== about) return; // the dialog is about something else by now
  isSending = false;
  suit();
  tell(byId("dialog-result"), result, words);
  if (result === "failed") return;
  byId("dialog-go").hidden = true;
  say(byId("dialog-close"), "Close");
  byId("dialog-close").focus();
}

function tell(node, result, words) {
  node.dataset.result = result;
  say(node, words);
}

// A line in the list of what was taken back from this page.
function note({ kind, text }, soft) {
  const what = kind === "all" ? "everything" : name(text);
  const how = kind === "all" ? "" : `${soft ? "softly, " : ""}${kind === "tag" ? "the tag " : "the URL "}`;
  const line = element("li", {}, element("span", { class: "time" }, time(Date.now() / 1000)), element("span", {}, how, what), element("span", { class: "result" }, "Taking back…"));
  byId("taken").prepend(line);
  byId("taken-none").hidden = true;
  return line;
}

// then: called after each time that something was taken back, or may have been
export function setUpTakingBack(then) {
  afterwards = then;
  byId("dialog-typed").addEventListener("input", suit);
  byId("dialog-close").addEventListener("click", () => byId("dialog").close());
  byId("dialog-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!byId("dialog-go").disabled && !byId("dialog-go").hidden) send();
  });
  byId("take-back-form").addEventListener("submit", (event) => {
    event.preventDefault();
    askToTakeBack(byId("take-back-kind").value, byId("take-back-name").value);
  });
  byId("take-back-all").addEventListener("click", () => askToTakeBack("all", ""));
}

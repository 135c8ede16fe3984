// The operator's page: which view is shown, and what it is drawn from.

import { figures as askForFigures } from "./api.js";
import { loadCures } from "./cures.js";
import { byId, say } from "./dom.js";
import { openEntries, setUpEntries } from "./entries.js";
import { Live } from "./live.js";
import { drawAttention, drawOverview } from "./overview.js";
import { drawReasons, openReasons } from "./reasons.js";
import { drawStore } from "./store.js";
import { openStory, setUpStory } from "./story.js";
import { setUpTakingBack } from "./takeback.js";
import { moment, plural } from "./words.js";

// draw: is given each new figures; open: is given what the address says, when the view is gone to
const VIEWS = {
  overview: { draw: drawOverview },
  reasons: { draw: drawReasons, open: openReasons },
  entries: { open: openEntries },
  story: { open: openStory },
  store: { draw: drawStore },
  "take-back": {},
};

let figures = null;
let view = null;

// --- views -----------------------------------------------------------------------------------------------------------

function go() {
  const [wanted, about] = location.hash.slice(1).split("?", 2);
  const isFirst = view === null;
  if (wanted === "main" && !isFirst) return; // the link over the navigation
  view = Object.hasOwn(VIEWS, wanted) ? wanted : "overview";
  for (const section of document.querySelectorAll("[data-view]")) section.hidden = section.dataset.view !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const title = byId(`${view}-title`);
  document.title = `${title.textContent} · accelerator`;
  if (!isFirst) {
    window.scrollTo(0, 0);
    title.focus({ preventScroll: true });
  }
  draw();
  VIEWS[view].open?.(Object.fromEntries(new URLSearchParams(about)));
}

function draw() {
  if (figures) VIEWS[view].draw?.(figures);
}

// --- figures ---------------------------------------------------------------------------------------------------------

const announced = new Set(); // kinds of what needs attention, said aloud once as long as they last

function announce(words) {
  if (words.length) say(byId("announcement"), words.join(" "));
}

function take(told) {
  figures = told;
  const matters = drawAttention(told);
  announce(matters.filter(([kind]) => !announced.has(kind)).map(([, words]) => words));
  announced.clear();
  for (const [kind] of matters) announced.add(kind);
  say(byId("workers"), `${plural(told.workers, "worker")}, as of ${moment(told.until, Date.now() / 1000)}`);
  draw();
}

const SHORT = { lost: "Connection lost", refused: "No new figures", old: "Figures are old" };
const ALOUD = { live: "The figures are live again.", lost: "The connection is lost.", refused: "There are no new figures.", old: "The figures are old.", paused: "Paused." };
let state = "waiting";

function tellState(now, words) {
  const isWrong = now in SHORT;
  say(byId("state"), isWrong ? SHORT[now] : words);
  say(byId("lost"), isWrong ? words : "");
  byId("lost").hidden = !isWrong;
  document.querySelector(".state").dataset.state = now;
  if (now !== state && !(state === "waiting" && now === "live")) announce([ALOUD[now]]);
  state = now;
}

// --- start -----------------------------------------------------------------------------------------------------------

// Figures have reasons, whose cures are there when they are drawn.
const ask = () => Promise.all([askForFigures(), loadCures()]).then(([told]) => told);

const live = new Live(ask, take, tellState);

byId("pause").addEventListener("click", (event) => {
  const isPaused = !live.isPaused;
  event.target.setAttribute("aria-pressed", isPaused);
  live.pause(isPaused);
});

setUpEntries();
setUpStory();
setUpTakingBack(() => live.now());
window.addEventListener("hashchange", go);
go();
live.now();

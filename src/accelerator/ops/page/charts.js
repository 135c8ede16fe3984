// Small charts in SVG. Each is made once, and drawn anew by what it is given.

import { element, say, shape } from "./dom.js";
import { count, percent, rate, span, sum, time } from "./words.js";

export const STEP = 5; // seconds of each line of `traffic`
const STEPS = 120;
const HIGH = 100;

// The complete steps of the last ten minutes, those without requests among them: start, from the store, others.
export function steps({ traffic, until }) {
  const last = Math.floor(until / STEP) * STEP - STEP;
  const told = new Map(traffic.map(([start, stored, others]) => [Math.floor(start / STEP) * STEP, [stored, others]]));
  return Array.from({ length: STEPS }, (_, index) => {
    const start = last - (STEPS - 1 - index) * STEP;
    return [start, ...(told.get(start) ?? [0, 0])];
  });
}

export const ratioOf = (some) => sum(some.map(([, stored]) => stored)) / sum(some.map(([, stored, others]) => stored + others));
export const rateOf = (some) => sum(some.map(([, stored, others]) => stored + others)) / (some.length * STEP);

// A number a little above another one, with one digit that counts.
function above(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1)));
  return [1, 2, 5, 10].map((digit) => digit * power).find((value) => value >= number);
}

class Chart {
  constructor(figure, shapes) {
    this.marker = shape("line", { class: "marker", y1: 0, y2: HIGH, hidden: true });
    const grid = [0, 50, 100].map((y) => shape("line", { class: "grid", x1: 0, x2: STEPS, y1: y, y2: y }));
    this.svg = shape("svg", { viewBox: `0 0 ${STEPS} ${HIGH}`, preserveAspectRatio: "none", role: "img" }, ...grid, ...shapes, this.marker);
    this.scale = ["whole", "half"].map((place) => element("span", { class: `scale ${place}`, "aria-hidden": "true" }));
    this.readout = figure.querySelector(".readout");
    figure.querySelector(".plot").replaceChildren(this.svg, ...this.scale);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.pointed = null;
  }

  // Tell of the step that the pointer is on, or of now.
  point(event) {
    const box = this.svg.getBoundingClientRect();
    this.pointed = event && Math.min(STEPS - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * STEPS)));
    this.read();
  }

  read() {
    const isPointed = this.pointed !== null;
    this.marker.toggleAttribute("hidden", !isPointed);
    if (isPointed) for (const x of ["x1", "x2"]) this.marker.setAttribute(x, this.pointed + 0.5);
    const step = this.shown?.[this.pointed ?? 0];
    say(this.readout, isPointed && step ? `${time(step[0])}  ${this.tell(step)}` : this.summary);
  }

  draw(shown, summary) {
    this.shown = shown;
    this.summary = summary;
    this.svg.setAttribute("aria-label", summary);
    this.read();
  }
}

export class RatioChart extends Chart {
  constructor(figure) {
    const [area, line] = [shape("path", { class: "area" }), shape("path", { class: "line" })];
    super(figure, [area, line]);
    [this.area, this.line] = [area, line];
    ["100 %", "50 %"].forEach((text, index) => say(this.scale[index], text));
  }

  tell([, stored, others]) {
    return stored + others ? `${percent(stored / (stored + others))} of ${count(stored + others)}` : "no requests";
  }

  show(all) {
    const points = all.map(([, stored, others], index) => [index + 0.5, HIGH * (1 - stored / (stored + others))]);
    const runs = runsOf(points);
    this.line.setAttribute("d", runs.map((run) => `M${run.map((point) => point.join(" ")).join("L")}h.01`).join(""));
    const under = (run) => `M${run[0][0]} ${HIGH}L${run.map((point) => point.join(" ")).join("L")}V${HIGH}Z`;
    this.area.setAttribute("d", runs.map(under).join(""));
    const known = all.filter(([, stored, others]) => stored + others);
    const lowest = Math.min(...known.map((step) => ratioOf([step])));
    this.draw(all, known.length ? `${percent(ratioOf(all))} in ten minutes, never below ${percent(lowest)}` : "no requests in ten minutes");
  }
}

// The runs of points that follow each other; where nothing was asked there is no ratio.
function runsOf(points) {
  const runs = [[]];
  for (const point of points) {
    if (Number.isFinite(point[1])) runs.at(-1).push(point);
    else if (runs.at(-1).length) runs.push([]);
  }
  return runs.filter((run) => run.length);
}

export class TrafficChart extends Chart {
  constructor(figure) {
    const bars = ["stored", "others"].map((kind) => shape("path", { class: `bars ${kind}` }));
    super(figure, bars);
    this.bars = bars;
  }

  tell([, stored, others]) {
    return `${rate(stored / STEP)} a second from the store, ${rate(others / STEP)} from the application`;
  }

  show(all) {
    const most = Math.max(...all.map(([, stored, others]) => stored + others)) / STEP;
    const top = above(most);
    const high = (number) => (HIGH * number) / STEP / top;
    const bar = (index, low, number) => (number ? `M${index + 0.1} ${HIGH - low}v${-high(number)}h.8v${high(number)}z` : "");
    this.bars[0].setAttribute("d", all.map(([, stored], index) => bar(index, 0, stored)).join(""));
    this.bars[1].setAttribute("d", all.map(([, stored, others], index) => bar(index, high(stored), others)).join(""));
    [top, top / 2].forEach((value, index) => say(this.scale[index], rate(value)));
    this.draw(all, `${rate(rateOf(all))} requests a second in ten minutes, ${rate(most)} at most`);
  }
}

// Minute by minute, for those who read rather than look.
export function minutes(all) {
  const each = 60 / STEP;
  return Array.from({ length: STEPS / each }, (_, index) => all.slice(index * each, (index + 1) * each)).reverse();
}

// --- histograms ------------------------------------------------------------------------------------------------------

// The bound below which a share of the values is.
function below({ bounds, counts }, share) {
  const all = sum(counts);
  let so = 0;
  const index = counts.findIndex((number) => (so += number) >= all * share);
  return index < bounds.length ? `below ${span(bounds[index])}` : `above ${span(bounds.at(-1))}`;
}

export function inWords(histogram) {
  const all = sum(histogram.counts);
  if (!all) return "none yet";
  return `half ${below(histogram, 0.5)}, 99 % ${below(histogram, 0.99)}, ${span(histogram.sum / all)} on average`;
}

// Draw a histogram from its first bucket with a value to its last one.
export function drawHistogram(figure, histogram) {
  const { bounds, counts } = histogram;
  const first = Math.max(0, counts.findIndex(Boolean));
  const last = Math.max(first, counts.findLastIndex(Boolean));
  const some = counts.slice(first, last + 1);
  const most = Math.max(1, ...some);
  const bars = some.map((number, index) => `M${index + 0.06} ${HIGH}v${(-HIGH * number) / most}h.88V${HIGH}z`).join("");
  let [svg] = figure.querySelectorAll("svg");
  if (!svg) {
    svg = shape("svg", { role: "img", preserveAspectRatio: "none" }, shape("path", { class: "bars stored" }));
    figure.querySelector(".plot").replaceChildren(svg);
  }
  svg.setAttribute("viewBox", `0 0 ${Math.max(some.length, 6)} ${HIGH}`);
  svg.setAttribute("aria-label", inWords(histogram));
  svg.firstElementChild.setAttribute("d", sum(counts) ? bars : "");
  say(figure.querySelector(".readout"), inWords(histogram));
  const ends = sum(counts) ? [first ? `from ${span(bounds[first - 1])}` : "from 0", last < bounds.length ? `to ${span(bounds[last])}` : "and more"] : ["", ""];
  figure.querySelectorAll(".end").forEach((node, index) => say(node, ends[index]));
}

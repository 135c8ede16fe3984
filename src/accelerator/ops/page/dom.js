// Elements are made and changed here. All text goes in as text: nothing that a stranger wrote is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";
const LONGEST = 256; // figures cut longer names, so they do not say which one it is
const URL_LENGTH = 120;
const TAG_LENGTH = 48;
const TAGS = 10; // an entry may have a thousand

export const byId = (id) => document.getElementById(id);

function dressed(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const element = (name, attributes = {}, ...children) => dressed(document.createElement(name), attributes, children);
export const shape = (name, attributes = {}, ...children) => dressed(document.createElementNS(SVG, name), attributes, children);

// Text that is the same is left alone, so that what is selected in it stays selected.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

// What cannot be seen, or would turn the text around it, is spelt out.
export const visible = (text) =>
  String(text).replace(HIDDEN, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);

export const address = (view, about = {}) => {
  const told = new URLSearchParams(about).toString();
  return `#${view}${told && `?${told}`}`;
};

export const name = (text) => element("bdi", { class: "name" }, visible(text));

// A link to a view about something that has a name: `about` says what kind of thing it is.
export function link(view, about, text) {
  if (text.length >= LONGEST) return element("bdi", { class: "name cut", title: "cut: too long to be shown whole" }, visible(text));
  return element("a", { href: address(view, { [about]: text }), class: "name" }, element("bdi", {}, visible(text)));
}

// Text in so many characters; what is cut off can be read by pointing at it.
export function short(text, length, attributes = {}) {
  const whole = visible(text);
  const isLong = whole.length > length;
  const begin = isLong ? `${whole.slice(0, length - 1).replace(/[\ud800-\udbff]$/, "")}…` : whole; // no half character
  return element("bdi", { title: isLong && whole, ...attributes }, begin);
}

// A link by a name that nobody has cut: a long one is shown in part, and leads to the whole.
const wholeLink = (view, about, text, length) => element("a", { href: address(view, { [about]: text }), class: "name" }, short(text, length));

export const urlLink = (url) => wholeLink("story", "url", url, URL_LENGTH);

const tagList = (tags) => element("ul", { class: "tags" }, ...tags.map((tag) => element("li", {}, wholeLink("entries", "tag", tag, TAG_LENGTH))));

// Links to what has the tags. Those after the first ones are made when somebody wants to see them.
export function tagLinks(tags) {
  if (tags.length <= TAGS) return [tagList(tags)];
  const more = element("details", { class: "more-tags" }, element("summary", {}, `and ${tags.length - TAGS} more`));
  more.addEventListener("toggle", () => more.append(tagList(tags.slice(TAGS))), { once: true });
  return [tagList(tags.slice(0, TAGS)), more];
}

// --- lists that are drawn again and again ----------------------------------------------------------------------------

const drawn = new WeakMap(); // a list's parent → its rows by key

function isSelectedIn(parent) {
  const selection = document.getSelection();
  return selection.rangeCount > 0 && !selection.isCollapsed && selection.getRangeAt(0).intersectsNode(parent);
}

function keyed(items, keyOf) {
  const seen = new Map();
  return items.map((item) => {
    const key = keyOf(item);
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return [`${before} ${key}`, item];
  });
}

// Draw a list, each row of which is made once and then kept up to date: focus and scrolling stay where they are.
// A list in which something is selected is left as it is, and so is the row that has the focus.
export function fill(parent, items, keyOf, make, update) {
  if (isSelectedIn(parent)) return;
  const rows = drawn.get(parent) ?? new Map();
  const focused = document.activeElement;
  const now = new Map();
  for (const [key, item] of keyed(items, keyOf)) {
    const row = rows.get(key) ?? make(item);
    update?.(row, item);
    now.set(key, row);
  }
  for (const [key, row] of rows) {
    if (now.has(key)) continue;
    if (row.contains(focused)) now.set(key, row);
    else row.remove();
  }
  place(parent, now.values());
  drawn.set(parent, now);
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function place(parent, rows) {
  let next = parent.firstElementChild;
  for (const row of rows) {
    if (row === next) next = next.nextElementSibling;
    else if (row.parentNode === parent && parent.moveBefore) parent.moveBefore(row, next); // does not lose the focus
    else parent.insertBefore(row, next);
  }
}

// A row of a table. On a narrow screen each cell stands beside its label, which takes the table's roles away from it.
export function tableRow(cells) {
  const made = cells.map(([label, content, kind]) =>
    element(kind === "head" ? "th" : "td", {
      role: kind === "head" ? "rowheader" : "cell",
      scope: kind === "head" ? "row" : null,
      "data-label": label,
      class: kind,
    }, ...(Array.isArray(content) ? content : [content])),
  );
  return element("tr", { role: "row" }, ...made);
}

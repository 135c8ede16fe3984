// What the server is asked, always relative to the page, which may be mounted anywhere.

import { visible } from "./dom.js";

const PATIENCE = 10_000; // ms
const PATIENCE_TO_TAKE_BACK = 60_000; // an invalidation may have to wait for other processes

const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;

// Something that went wrong, in words for whoever looks at the page. `isKnown`: it is certain what became of the request.
export class Trouble extends Error {
  constructor(words, isKnown) {
    super(sentence(visible(words)));
    this.isKnown = isKnown;
  }
}

const SAID = {
  0: "The server sends you elsewhere: you may have to sign in again, and then load this page anew.",
  401: "You are not signed in any more: sign in, then load this page anew.",
  403: "You may not do this, or are not signed in any more.",
  404: "The server has no such address: it may run another version than this page is of. Load it anew.",
};

async function ask(path, options = {}, patience = PATIENCE) {
  let response;
  try {
    const address = new URL(path, document.baseURI);
    const signal = AbortSignal.timeout(patience);
    response = await fetch(address, { cache: "no-store", redirect: "manual", signal, ...options });
  } catch (error) {
    throw new Trouble(error.name === "TimeoutError" ? `No answer for ${patience / 1000} seconds.` : "The server does not answer.", false);
  }
  const told = await response.json().catch(() => null);
  if (response.ok && told !== null && typeof told === "object") return told;
  if (response.ok) throw new Trouble("The answer makes no sense: something else may answer in the server’s place.", false);
  const words = typeof told?.error === "string" ? told.error : SAID[response.status];
  throw new Trouble(words ?? `The server failed (${response.status}): its log has why.`, Boolean(words));
}

const query = (about) => new URLSearchParams(Object.entries(about).filter(([, value]) => value !== null && value !== undefined));

export const figures = () => ask("figures");
export const cures = () => ask("cures");
export const entries = (about) => ask(`entries?${query(about)}`);
export const story = (url) => ask(`story?${query({ url })}`);

export const invalidate = (what) =>
  ask(
    "invalidate",
    { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(what) },
    PATIENCE_TO_TAKE_BACK,
  );

// What an operator should look at, from what the figures say now and what they said up to a minute ago.

import { visible } from "./dom.js";
import { count, plural, sum } from "./words.js";

const MEMORY = 60; // seconds

export class Attention {
  #before = []; // [until, since, errors, failed]

  // Returns pairs of a kind, which is the same as long as the matter is, and words.
  of({ since, until, complete, store, invalidations_failed: failed }) {
    const errors = sum(Object.values(store.errors ?? {}));
    this.#before = this.#before.filter(([then, began]) => began === since && then >= until - MEMORY && then <= until);
    this.#before.push([until, since, errors, failed]);
    const [, , errorsThen, failedThen] = this.#before[0];
    return [
      !complete && ["incomplete", "What other processes have counted cannot be read, so that the figures are too small."],
      store.breaker_open && ["breaker", "The store is not asked for now, since it failed again and again. Requests go to the application."],
      errors > errorsThen && ["errors", `${plural(errors - errorsThen, "request")} could not use the store in the last minute: the log says why.`],
      failed > failedThen && ["failed", `${plural(failed - failedThen, "invalidation")} failed in the last minute. ${failed - failedThen === 1 ? "It is" : "They are"} being repeated.`],
      ...ofNear(store.near),
      ...Object.entries(store.fanout ?? {}).map(([name, { waiting }]) => waiting > 0 && [`fanout ${name}`, `${plural(waiting, "invalidation")} wait${waiting === 1 ? "s" : ""} to be told to ${visible(name)}.`]),
    ].filter(Boolean);
  }
}

function ofNear(near) {
  if (!near) return [];
  return [
    near.lease === 0 && ["near", "The near store is not used for now; the far one is asked instead. Nothing old is served."],
    near.behind > 0 && ["behind", `The near store still lacks ${count(near.behind)} of the invalidations.`],
  ];
}

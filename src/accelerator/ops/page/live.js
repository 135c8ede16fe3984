// Figures are asked for every two seconds, while somebody looks; what they are worth is told all the time.

const EVERY = 2000; // ms
const OLD = 6000; // ms after which figures are called old

export class Live {
  #ask;
  #show;
  #tell;
  #timer = null;
  #turn = 0; // an answer to an earlier turn is dropped
  #shownUntil = null;
  #changed = 0; // when the figures last became newer, by this browser's clock alone
  #trouble = null;
  #isAsking = false;
  isPaused = false;

  // ask: returns figures; show: is given them; tell: is given a state, and words for it
  constructor(ask, show, tell) {
    this.#ask = ask;
    this.#show = show;
    this.#tell = tell;
    document.addEventListener("visibilitychange", () => this.now());
    setInterval(() => document.hidden || this.#report(), 1000);
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.now();
  }

  // Ask now, if somebody looks, and from now on every two seconds.
  async now() {
    clearTimeout(this.#timer);
    const turn = ++this.#turn;
    if (document.hidden || this.isPaused) return this.#report();
    this.#isAsking = true;
    const [told, trouble] = await this.#ask().then((value) => [value, null], (error) => [null, error]);
    if (turn !== this.#turn) return;
    this.#isAsking = false;
    this.#trouble = trouble;
    if (told) this.#take(told);
    this.#report();
    this.#timer = setTimeout(() => this.now(), EVERY);
  }

  #take(told) {
    if (told.until !== this.#shownUntil) this.#changed = performance.now();
    this.#shownUntil = told.until;
    this.#show(told);
  }

  #report() {
    const ms = performance.now() - this.#changed;
    const old = this.#shownUntil === null ? "There are no figures yet." : `The figures are ${Math.round(ms / 1000)} s old.`;
    if (this.isPaused) this.#tell("paused", `Paused. ${old}`);
    else if (this.#trouble) this.#tell(this.#trouble.isKnown ? "refused" : "lost", `${this.#trouble.message} ${old}`);
    else if (this.#shownUntil === null) this.#tell("waiting", "Asking for figures…");
    else if (ms > OLD && this.#isAsking) this.#tell("old", `The server takes its time. ${old}`);
    else if (ms > OLD) this.#tell("old", `The server answers, and yet its figures do not move. ${old}`);
    else this.#tell("live", "Live");
  }
}

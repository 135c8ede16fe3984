// Numbers, spans of time and moments, as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const DAY = 86400;
const SPANS = [[DAY, "d"], [3600, "h"], [60, "min"], [1, "s"], [1e-3, "ms"], [1e-6, "µs"]]; // 100 s, not 1.7 min
const SIZES = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
export const NONE = "–";

export const count = (number) => (number === null || number === undefined ? NONE : whole.format(number));
export const brief = (number) => (number >= 100_000 ? short.format(number) : count(number));
export const rate = (number) => (number >= 10 || number === 0 ? count(number) : fine.format(number));

export function percent(share) {
  if (!Number.isFinite(share)) return NONE;
  const value = share * 100;
  if (value > 99 && value < 100) return `${(Math.floor(value * 100) / 100).toFixed(2)} %`; // 99.99 is not all
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value < 10 && value > 0 ? value.toFixed(1) : Math.round(value)} %`;
}

const inUnit = (value, unit) => `${value < 10 ? Number(value.toFixed(1)) : whole.format(value)} ${unit}`;

export function span(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds === 0) return "0 s";
  if (seconds < 0) return `−${span(-seconds)}`;
  const [length, unit] = SPANS.find(([least]) => seconds >= (least > 1 ? 2 : 1) * least) ?? SPANS.at(-1);
  return inUnit(seconds / length, unit);
}

export const inSeconds = (seconds) => (seconds === null || seconds === undefined ? NONE : inUnit(seconds, "s"));
export const inMilliseconds = (seconds) => (seconds === null || seconds === undefined ? NONE : inUnit(seconds * 1000, "ms"));

export function bytes(number) {
  if (number === null || number === undefined) return NONE;
  const power = Math.min(SIZES.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, number)) / 10)));
  return power === 0 ? `${whole.format(number)} ${SIZES[0]}` : inUnit(number / 1024 ** power, SIZES[power]);
}

export const time = (seconds) => clock.format(seconds * 1000);
export const moment = (seconds, now) => (Math.abs(now - seconds) < DAY / 2 ? time(seconds) : day.format(seconds * 1000));

export const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

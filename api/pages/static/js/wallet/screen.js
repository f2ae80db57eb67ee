// What the pages of the wallet have in common: their parts, their one line, times in words, the ring, the lamp.

import { onLanguage, textsOf } from "../language.js";

export const texts = textsOf("texts");
export const part = (name) => document.querySelector(`[data-part="${name}"]`);
const sayings = new Map();

// What a part says: a text, or a function that makes it, which is asked again in another language.
export function put(name, text) {
  sayings.set(name, text);
  part(name).textContent = typeof text === "function" ? text() : text;
}

onLanguage(() => {
  for (const [name, text] of sayings) if (typeof text === "function") part(name).textContent = text();
});

export function show(state) {
  document.body.dataset.state = state;
  for (const section of document.querySelectorAll("[data-when]")) section.hidden = !section.dataset.when.split(" ").includes(state);
}

export function showLine(text, tone = "") {
  const line = part("line");
  line.hidden = !text;
  put("line", text);
  line.className = `wallet-line ${tone}`;
}

export function moment(seconds) {
  const form = { year: "numeric", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "Asia/Shanghai" };
  return new Intl.DateTimeFormat(document.documentElement.lang, form).format(new Date(seconds * 1000));
}

function age(seconds) {
  const form = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  if (seconds < 3600) return form.format(-Math.round(seconds / 60), "minute");
  return seconds < 86400 ? form.format(-Math.round(seconds / 3600), "hour") : form.format(-Math.round(seconds / 86400), "day");
}

// How old what the phone has is, in seconds; `fresh`: the age up to which it counts as up to date.
export function showAge(old, fresh) {
  put("age", navigator.onLine && old < fresh ? texts.fresh : texts.offline.replace("{age}", age(old)));
  document.body.dataset.offline = navigator.onLine ? "no" : "yes";
}

export function showRest(rest, whole) {
  part("ring").style.strokeDashoffset = String(1 - rest / whole);
  put("seconds", String(Math.ceil(rest)));
}

// One of several things to choose: `said` stands under the name.
export function choiceOf(group, value, name, said, isChosen, choose) {
  const item = document.createElement("label"), box = document.createElement("input"), words = document.createElement("span");
  Object.assign(box, { type: "radio", name: group, value, checked: isChosen });
  box.addEventListener("change", () => choose(box.value));
  words.append(Object.assign(document.createElement("b"), { textContent: name }), document.createElement("br"), said);
  item.className = "choice";
  item.append(box, words);
  return item;
}

let lock = null;
export async function keepAwake() {
  try {
    if (!document.hidden && document.body.dataset.state === "ready") lock = await navigator.wakeLock?.request("screen");
  } catch {
    lock = null;
  }
}

// What draws a QR; null where the parts of others were not installed: the rest works, and the page says so.
export async function drawing() {
  const found = await import("./draw.js").then((module) => module.drawCode, () => null);
  if (!found) showLine(() => texts.cannotDraw, "bad");
  return found;
}

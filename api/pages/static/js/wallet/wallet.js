// The code on the phone: enrolled once by a ticket, shown anew every half minute, also without a network.

import * as payload from "../core/payload.js";
import { present } from "../core/presentation.js";
import * as store from "../core/store.js";
import { onLanguage, watchLanguage } from "../language.js";
import { watchPrint } from "../print.js";
import { Refused, enrol, fallbackNumber, makeKey, renew, uses, wordsOf } from "./registry.js";
import { choiceOf, drawing, keepAwake, moment, part, put, show, showAge, showLine, showRest, texts } from "./screen.js";

const WINDOW = 30, RENEW_EVERY = 600, NAME = "wallet", PENDING = "wallet-pending";
// The end of what has none (registry/codes/rules.py); codes from before it say the year 9999.
const LONG_TERM = 0xffffffff;
let wallet = null, drawCode = null, shownAt = 0, askedAt = 0, seen = null;

// ---- What the page shows ------------------------------------------------------------------------------------------

const now = () => Date.now() / 1000 + (wallet?.skew ?? 0);
const stateOf = () => (!wallet ? "none" : wallet.ended ? "ended" : now() >= wallet.expiresAt ? "expired" : "ready");

function showWallet() {
  const state = stateOf();
  show(state);
  if (state === "ended") put("ended-reason", () => texts.ended[wallet.ended] ?? texts.ended.other);
  if (!wallet) return;
  showChoice();
  put("until", texts.codeUntil.replace("{at}", moment(wallet.expiresAt)));
  showAge(now() - wallet.renewedAt, RENEW_EVERY * 2);
}

// One thing a showing: whoever scans the code sees that one, and the QR stays small.
const keyOf = (grant) => `${grant.kind} ${grant.ref}`;
const nothing = () => ({ kind: "nothing", ref: "", name: texts.nothing, text: wallet.text });
const choices = () => [...wallet.grants, nothing()];
const chosen = () => choices().find((grant) => keyOf(grant) === wallet.chosen) ?? null;

// Where there is one thing to show nobody is asked; nor is it where nothing is left to show.
function settleChoice() {
  if (!chosen()) wallet.chosen = wallet.grants.length > 1 ? null : keyOf(choices()[0]);
}

function showChoice() {
  part("grants").replaceChildren(...choices().map((grant) =>
    choiceOf("grant", keyOf(grant), grant.name, aboutOf(grant), keyOf(grant) === wallet.chosen, choose)));
  part("no-grants").hidden = wallet.grants.length > 0;
  part("choose-first").hidden = chosen() !== null;
  part("code-card").hidden = stateOf() !== "ready" || chosen() === null;
  put("shown-name", chosen()?.name ?? "");
}

function aboutOf(grant) {
  if (!grant.ref) return texts.nothingAbout;
  // What ends at midnight lasts through the day before: that one is written on paper.
  const last = (grant.until + 8 * 3600) % 86400 === 0 ? grant.until - 60 : grant.until;
  return `${texts[grant.kind]} · ${grant.until >= LONG_TERM ? texts.longTerm : texts.until.replace("{at}", moment(last))}`;
}

async function choose(key) {
  wallet.chosen = key;
  await store.put(NAME, wallet);
  showChoice();
  shownAt = 0;
  part("code-card").scrollIntoView({ block: "start" });
  await tick();
}

// ---- The code, anew every half minute -----------------------------------------------------------------------------

const shownAtMoment = async (text, at) => payload.encode(await present(payload.decode(text), wallet.keys.privateKey, at));

async function showCode() {
  // Set before the key signs: the next tick must not begin a second one.
  const at = (shownAt = Math.floor(now()));
  const text = await shownAtMoment(chosen().text, at);
  drawCode(part("code"), text);
  // For tests and for readers without a camera: what the QR holds.
  part("code").dataset.text = text;
}

async function tick() {
  if (stateOf() !== document.body.dataset.state && !["enrolling", "busy"].includes(document.body.dataset.state)) showWallet();
  if (document.body.dataset.state !== "ready" || document.hidden || !drawCode || !chosen()) return;
  const left = WINDOW - (now() - shownAt);
  if (left <= 0 || left > WINDOW + 1) await showCode();
  const rest = Math.max(0, WINDOW - (now() - shownAt));
  showRest(rest, WINDOW);
  showAge(now() - wallet.renewedAt, RENEW_EVERY * 2);
  if (now() - askedAt > RENEW_EVERY && navigator.onLine) await refresh(false);
}

// ---- The registry -------------------------------------------------------------------------------------------------

const seconds = (text) => Date.parse(text) / 1000;

async function keep(keys, { body, skew }) {
  wallet = {
    keys, skew, deviceId: body.device_id, codeId: body.code_id, text: body.text, expiresAt: seconds(body.expires_at),
    renewedAt: Date.now() / 1000 + skew, ended: null, chosen: wallet?.chosen ?? null,
    grants: body.grants.map(({ kind, ref, name, until, text }) => ({ kind, ref, name, text, until: seconds(until) })),
  };
  settleChoice();
  askedAt = wallet.renewedAt;
  await store.put(NAME, wallet);
}

async function refresh(isAsked) {
  if (!wallet || wallet.ended) return;
  askedAt = now();
  try {
    await keep(wallet.keys, await renew(wallet));
    if (isAsked) showLine(() => texts.refreshed, "good");
    shownAt = 0;
  } catch (error) {
    if (error instanceof Refused && [404, 409].includes(error.status)) {
      wallet.ended = error.reason;
      await store.put(NAME, wallet);
    } else if (isAsked) showLine(wordsOf(error, texts), "bad");
  }
  showWallet();
}

async function enrolling(event) {
  event.preventDefault();
  const form = event.target, ticket = form.dataset.ticket, pin = form.elements.pin.value.trim();
  form.querySelector("button").disabled = true;
  try {
    // Kept before it is sent: an answer that got lost is asked for again with the same key.
    const pending = await store.get(PENDING);
    const keys = pending?.ticket === ticket ? pending.keys : await makeKey();
    await store.put(PENDING, { ticket, keys });
    await keep(keys, await enrol(keys, ticket, pin, 0));
    await store.remove(PENDING);
    navigator.storage?.persist?.();
    showLine("");
    showWallet();
    await tick();
  } catch (error) {
    showLine(wordsOf(error, texts), "bad");
  }
  form.querySelector("button").disabled = false;
}

async function showUses() {
  seen = null;
  part("uses").replaceChildren();
  try {
    drawUses((await uses(wallet)).body);
  } catch (error) {
    put("uses-note", wordsOf(error, texts));
  }
}

function drawUses(body) {
  seen = body;
  const lines = [
    ...body.uses.map((use) => [seconds(use.used_at), texts.used.replace("{department}", use.department).replace("{item}", use.item), [use.purpose, use.told.join(texts.comma)].filter(Boolean).join(" · ")]),
    ...body.scans.map((scan) => [seconds(scan.scanned_at), texts.scanned.replace("{department}", scan.department), scan.purpose]),
    ...body.visits.map((visit) => [seconds(visit.decided_at), visit.venue, visit.admitted ? texts.admitted : texts.refused]),
  ].sort((left, right) => right[0] - left[0]);
  part("uses").replaceChildren(...lines.map(([at, what, more]) => {
    const item = document.createElement("li");
    for (const [tag, text] of [["b", what], ["span", more], ["time", moment(at)]]) {
      item.append(Object.assign(document.createElement(tag), { textContent: text }));
    }
    return item;
  }));
  put("uses-note", () => (lines.length ? "" : texts.noUses));
}

// Asked for whenever the box is opened: a number holds once, and a newer one ends the older.
async function showNumber(isOpen) {
  put("number", "");
  put("number-note", "");
  if (!isOpen) return;
  try {
    const { number, expires_at: until } = await fallbackNumber(await shownAtMoment(wallet.text, Math.floor(now())));
    put("number", `${number.slice(0, 4)} ${number.slice(4)}`);
    put("number-note", () => texts.numberUntil.replace("{at}", moment(seconds(until))));
  } catch (error) {
    put("number-note", wordsOf(error, texts));
  }
}

// ---- The page -----------------------------------------------------------------------------------------------------

async function leave() {
  if (!window.confirm(texts.sureToRemove)) return;
  await store.remove(NAME);
  wallet = null;
  showWallet();
}

// The ticket behind the # of the link: taken out of the address bar and the history at once.
function takeTicket() {
  const ticket = window.location.hash.slice(1);
  if (!ticket) return false;
  history.replaceState(null, "", window.location.pathname);
  part("enrol").dataset.ticket = ticket;
  part("enrol").reset();
  showLine("");
  show("enrolling");
  part("enrol").elements.pin.focus();
  return true;
}

// What was drawn in the other language; a question for the PIN stays as it stands.
function redraw() {
  if (document.body.dataset.state !== "loading" && document.body.dataset.state !== "enrolling") showWallet();
  if (seen) drawUses(seen);
}

async function begin() {
  watchPrint(part("print"), () => { shownAt = 0; });
  watchLanguage(part("language"));
  onLanguage(redraw);
  part("enrol").addEventListener("submit", enrolling);
  part("refresh").addEventListener("click", () => refresh(true));
  part("number-box").addEventListener("toggle", (event) => showNumber(event.target.open));
  part("uses-box").addEventListener("toggle", (event) => event.target.open && showUses());
  for (const button of document.querySelectorAll("[data-remove]")) button.addEventListener("click", leave);
  document.addEventListener("visibilitychange", () => {
    shownAt = 0;
    keepAwake();
  });
  drawCode = await drawing();
  wallet = (await store.get(NAME)) ?? null;
  askedAt = wallet ? wallet.renewedAt : 0;
  window.addEventListener("hashchange", takeTicket);
  if (!takeTicket()) showWallet();
  await keepAwake();
  await tick();
  setInterval(tick, 1000);
  document.documentElement.dataset.script = "on";
  navigator.serviceWorker?.register("/sw.js", { scope: "/" });
}

begin();

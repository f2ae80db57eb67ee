// A phone at the door, or a check anywhere: camera, scanner, picture or file in, a verdict that fills the screen out.

import { isExtract } from "../core/extract.js";
import { onLanguage, textsOf, watchLanguage } from "../language.js";
import { watchPrint } from "../print.js";
import { watchStrayScans } from "../stray.js";
import { Asking } from "./asking.js";
import { Camera, Decoder, canRead, whyNoCamera } from "./camera.js";
import { Door } from "./door.js";
import { judgeExtract } from "./extracts.js";
import { judgeBundle, sortFiles, watchFiles } from "./files.js";
import { judge } from "./judging.js";
import { keptTrust, refreshTrust } from "./keeping.js";
import { Panel } from "./panel.js";

const REFRESH_EVERY = 300000, HELD = 1500, VENUE = "suizheng-gate", SOUND = "suizheng-sound";
// Eight digits that stand for a code for five minutes: only the server knows them.
const FALLBACK_NUMBER = /^\d([ -]*\d){7}$/;
const texts = textsOf("texts");
const part = (name) => document.querySelector(`[data-part="${name}"]`);
const now = () => Date.now() / 1000;
const panel = new Panel(part, texts), door = new Door(part, texts), asking = new Asking(part);

let said = () => "", trust = null, camera = null, decoder = null, last = { text: "", at: 0 }, copyId = null;

// `text` makes the line, again in another language.
function say(text = () => "") {
  said = text;
  part("line").hidden = !text();
  part("line").textContent = text();
}

function age(seconds) {
  const form = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  if (seconds < 3600) return form.format(-Math.round(seconds / 60), "minute");
  return seconds < 86400 ? form.format(-Math.round(seconds / 3600), "hour") : form.format(-Math.round(seconds / 86400), "day");
}

// In time, late (a warning), or past its end: then nothing can be decided, and the page says so before anybody is judged.
function showTrust() {
  const at = now(), state = !trust ? "none" : at >= trust.expiresAt ? "ended" : trust.lateSince(at) !== null ? "late" : "fresh";
  part("trust").textContent = trust ? texts.trust.replace("{version}", trust.version).replace("{age}", age(at - trust.issuedAt)) : texts.noTrust;
  part("trust-line").dataset.state = state;
  part("trust-late").hidden = !["late", "ended"].includes(state);
  part("trust-late").textContent = state === "late" ? texts.trustLate.replace("{at}", panel.moment(trust.expiresAt)) : texts.trustEnded;
}

function show(found, takenAt) {
  const isGate = Boolean(door.venueId);
  copyId = found.claims?.kind === "derived" ? found.claims.subject : null;
  panel.show(found, trust, isGate);
  performance.measure("camera_to_verdict", { start: takenAt, end: performance.now() });
}

async function judged(text, takenAt) {
  if (!trust) return say(() => texts.noTrust);
  if (FALLBACK_NUMBER.test(text.trim())) {
    panel.hide();
    return say(() => texts.fallback);
  }
  say();
  const bytes = new TextEncoder().encode(text);
  if (!door.venueId && isExtract(bytes)) return show(await judgeExtract(bytes, asking.take(), trust, now()), takenAt);
  show(door.venueId ? await door.judge(text, trust, now()) : await judge(text, trust, now()), takenAt);
}

// A code that stays before the camera is judged once.
async function seen(text, takenAt) {
  const isHeld = text === last.text && takenAt - last.at < HELD;
  last = { text, at: takenAt };
  if (!isHeld) await judged(text, takenAt);
}

async function takeFiles(files) {
  if (!trust) return say(() => texts.noTrust);
  const takenAt = performance.now(), found = await sortFiles(files);
  if (found.picture) return readPicture(found.picture);
  if (found.problem) {
    panel.hide();
    return say(() => texts[found.problem]);
  }
  say();
  if ((found.bundle || found.extract) && door.venueId) return say(() => texts.filesElsewhere);
  if (found.extract) show(await judgeExtract(found.extract, { ...asking.take(), evidence: found.bundle ?? null }, trust, now()), takenAt);
  else if (found.bundle) show(await judgeBundle(found, copyId, trust, now()), takenAt);
  else if (found.text) await judged(found.text, takenAt);
}

async function readPicture(file) {
  decoder ??= new Decoder();
  const text = await decoder.read(file).catch(() => null);
  if (text !== null) return judged(text, performance.now());
  panel.hide();
  say(() => texts.noCode);
}

function choose() {
  const venue = trust?.venues.get(part("venue").value) ?? null;
  localStorage.setItem(VENUE, venue?.id ?? "");
  for (const name of ["files-box", "asking-box"]) part(name).hidden = Boolean(venue);
  return door.enter(venue?.id ?? null);
}

function listVenues() {
  const select = part("venue"), kept = localStorage.getItem(VENUE) ?? "";
  select.replaceChildren(new Option(texts.anywhere, ""), ...[...trust.venues.values()].map((one) => new Option(one.name, one.id)));
  select.value = trust.venues.has(kept) ? kept : "";
}

async function refresh() {
  try {
    const fresh = await refreshTrust(trust), isNew = fresh !== trust;
    trust = fresh;
    if (isNew) {
      listVenues();
      await choose();
    }
  } catch (error) {
    // No network is no news; a bundle that its root keys do not hold is.
    if (error.reason) say(() => texts.badTrust.replace("{reason}", texts.reasons[error.reason] ?? error.reason));
  }
  await door.journal?.forget(now());
  showTrust();
}

async function toggleCamera() {
  if (camera?.running) {
    camera.stop();
    part("viewer").hidden = true;
  } else {
    try {
      decoder ??= new Decoder();
      camera = new Camera(part("video"), decoder);
      part("viewer").hidden = false;
      await camera.start(seen);
      say();
      navigator.wakeLock?.request("screen").catch(() => null);
    } catch (error) {
      part("viewer").hidden = true;
      say(() => texts.camera[whyNoCamera(error)]);
    }
  }
  showCamera();
}

const showCamera = () => { part("camera-word").textContent = camera?.running ? texts.camera.stop : texts.camera.start; };

function setSound(isOn) {
  panel.sound = isOn;
  part("sound").setAttribute("aria-pressed", String(isOn));
  localStorage.setItem(SOUND, isOn ? "on" : "off");
}

function next() {
  panel.hide();
  part("typed").focus();
}

function watch() {
  part("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const input = part("typed"), text = input.value;
    input.value = "";
    if (text.trim()) await judged(text, performance.now());
    input.focus();
  });
  part("venue").addEventListener("change", choose);
  part("close").addEventListener("click", next);
  part("confirm").addEventListener("click", async () => show(await door.confirm(trust, now()), performance.now()));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !part("verdict").hidden) next();
  });
  // What a scanner types goes into the field: also while a verdict is shown, and after a venue was chosen.
  watchStrayScans(document);
  for (const input of document.querySelectorAll("[data-files]")) {
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (files.length) takeFiles(files);
    });
  }
  part("camera").addEventListener("click", toggleCamera);
  part("sound").addEventListener("click", () => setSound(!panel.sound));
  setSound(localStorage.getItem(SOUND) === "on");
  watchFiles(document.body, takeFiles);
  watchPrint(part("print"));
  watchLanguage(part("language"));
  onLanguage(redraw);
}

// What the scripts said in the other language; the verdict keeps its place and makes no sound.
function redraw() {
  say(said);
  showCamera();
  part("venue").options[0].textContent = texts.anywhere;
  showTrust();
  door.show();
  panel.redraw();
}

// Here before they are needed: judging asks for nothing.
function fetchParts() {
  for (const name of ["sm", "schema", "chain"]) import(`../../vendor/${name}.js`).catch(() => null);
}

async function begin() {
  watch();
  fetchParts();
  trust = await keptTrust().catch(() => null);
  if (trust) {
    listVenues();
    await choose();
  }
  showTrust();
  await refresh();
  setInterval(refresh, REFRESH_EVERY);
  window.addEventListener("online", refresh);
  const reads = await canRead().catch(() => false);
  for (const one of document.querySelectorAll("[data-reads]")) one.hidden = !reads;
  part("no-reader").hidden = reads;
  document.body.dataset.state = "ready";
  document.documentElement.dataset.script = "on";
  navigator.serviceWorker?.register("/sw.js", { scope: "/" });
}

begin();

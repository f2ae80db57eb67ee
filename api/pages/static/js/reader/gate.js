// A phone at the door, or a check anywhere: camera, scanner or photograph in, a verdict that fills the screen out.

import { Camera, Decoder, canRead } from "./camera.js";
import { judge } from "./judging.js";
import { Memory, keptTrust, refreshTrust } from "./keeping.js";

const REFRESH_EVERY = 300000, HELD = 1500;
const texts = JSON.parse(document.getElementById("texts").dataset.texts);
const part = (name) => document.querySelector(`[data-part="${name}"]`);
const now = () => Date.now() / 1000;

let trust = null, venue = null, memory = null, camera = null, decoder = null, last = { text: "", at: 0 };

function say(text) {
  part("line").hidden = !text;
  part("line").textContent = text;
}

function age(seconds) {
  const form = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
  if (seconds < 3600) return form.format(-Math.round(seconds / 60), "minute");
  return seconds < 86400 ? form.format(-Math.round(seconds / 3600), "hour") : form.format(-Math.round(seconds / 86400), "day");
}

function showTrust() {
  part("trust").textContent = trust
    ? texts.trust.replace("{version}", trust.version).replace("{age}", age(now() - trust.issuedAt))
    : texts.noTrust;
}

function show(found, text, takenAt) {
  const panel = part("verdict"), name = (ref) => trust.venues.get(ref)?.name ?? trust.types.get(ref) ?? ref;
  panel.hidden = false;
  panel.className = `verdict gate-verdict verdict-${found.state}`;
  panel.dataset.state = found.state;
  panel.dataset.reason = found.reason;
  for (const shape of panel.querySelectorAll("[data-shape]")) shape.hidden = shape.dataset.shape !== found.state;
  part("word").textContent = (venue ? texts.gate : texts.words)[found.state];
  part("reason").textContent = found.state === "valid" && !venue ? texts.holds : texts.reasons[found.reason] ?? texts.words[found.state];
  const said = found.state === "invalid" || venue ? [] : (found.claims?.grants ?? []).map((grant) => name(grant.ref));
  part("facts").textContent = said.join(" · ");
  part("confirm").hidden = !(venue && found.due);
  part("look").hidden = !found.due;
  part("confirm").onclick = () => judged(text, performance.now(), true);
  navigator.vibrate?.(found.state === "valid" ? 60 : [60, 60, 60]);
  performance.measure("camera_to_verdict", { start: takenAt, end: performance.now() });
  panel.focus({ preventScroll: true });
}

async function judged(text, takenAt, bearerSeen = false) {
  if (!trust) return say(texts.noTrust);
  const found = await judge(text, trust, venue, memory, now(), bearerSeen);
  show(found, text, takenAt);
}

// A code that stays before the camera is judged once.
async function seen(text, takenAt) {
  const isHeld = text === last.text && takenAt - last.at < HELD;
  last = { text, at: takenAt };
  if (!isHeld) await judged(text, takenAt);
}

async function choose() {
  venue = trust?.venues.get(part("venue").value) ?? null;
  memory = venue ? await Memory.of(venue.id) : null;
  localStorage.setItem("suizheng-gate", venue?.id ?? "");
}

function listVenues() {
  const select = part("venue"), kept = localStorage.getItem("suizheng-gate") ?? "";
  select.replaceChildren(new Option(texts.anywhere, ""), ...[...trust.venues.values()].map((one) => new Option(one.name, one.id)));
  select.value = trust.venues.has(kept) ? kept : "";
}

async function refresh() {
  try {
    const fresh = await refreshTrust(trust);
    const isNew = fresh !== trust;
    trust = fresh;
    if (isNew) {
      listVenues();
      await choose();
    }
    say("");
  } catch (error) {
    // No network is no news; a bundle that its root keys do not hold is.
    if (error.reason) say(texts.badTrust.replace("{reason}", texts.reasons[error.reason] ?? error.reason));
  }
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
      navigator.wakeLock?.request("screen").catch(() => null);
    } catch {
      part("viewer").hidden = true;
      say(texts.noCamera);
    }
  }
  part("camera").setAttribute("aria-pressed", String(Boolean(camera?.running)));
}

async function readPhoto(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  decoder ??= new Decoder();
  const text = await decoder.read(file).catch(() => null);
  if (text === null) say(texts.noCode);
  else await judged(text, performance.now());
}

async function begin() {
  part("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const input = part("typed"), text = input.value;
    input.value = "";
    if (text.trim()) await judged(text, performance.now());
    input.focus();
  });
  part("venue").addEventListener("change", choose);
  part("close").addEventListener("click", () => {
    part("verdict").hidden = true;
    part("typed").focus();
  });
  part("camera").addEventListener("click", toggleCamera);
  part("photo").addEventListener("change", readPhoto);
  trust = await keptTrust().catch(() => null);
  if (trust) {
    listVenues();
    await choose();
  }
  showTrust();
  await refresh();
  setInterval(refresh, REFRESH_EVERY);
  const reads = await canRead().catch(() => false);
  for (const one of document.querySelectorAll("[data-reads]")) one.hidden = !reads;
  part("no-reader").hidden = reads;
  document.body.dataset.state = "ready";
  document.documentElement.dataset.script = "on";
  navigator.serviceWorker?.register("/sw.js", { scope: "/" });
}

begin();

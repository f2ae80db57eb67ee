// Extracts that are bound to this phone: listed when asked for, and presented to one reader by the key that never
// leaves the browser. The reader's check code goes into the proof, so that it is good for this once.

import { bind } from "../core/binding.js";
import * as store from "../core/store.js";
import { onLanguage, textsOf } from "../language.js";
import { heldExtracts, wordsOf } from "./registry.js";

const NAME = "wallet", MEDIA_TYPE = "application/dc+sd-jwt";
const texts = textsOf("extract-texts");
const part = (name) => document.querySelector(`[data-part="${name}"]`);
let chosen = null, address = null, items = null, trouble = null;

function moment(text) {
  const form = { year: "numeric", month: "long", day: "numeric", timeZone: "Asia/Shanghai" };
  return new Intl.DateTimeFormat(document.documentElement.lang, form).format(new Date(text));
}

function make(tag, text, more = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...more });
}

async function list() {
  const wallet = await store.get(NAME);
  items = trouble = null;
  draw();
  if (!wallet) return;
  try {
    items = (await heldExtracts(wallet)).body.items;
  } catch (error) {
    trouble = wordsOf(error, texts);
  }
  draw();
}

function draw() {
  part("extracts").replaceChildren(...(items ?? []).map(row));
  part("extracts-note").textContent = trouble ? trouble() : items && !items.length ? texts.none : "";
  if (chosen) part("extract-what").textContent = texts.telling.replace("{name}", chosen.name).replace("{receiver}", chosen.receiver_name);
}

function row(extract) {
  const item = document.createElement("li"), button = make("button", texts.show, { type: "button", className: "button button-small" });
  button.setAttribute("aria-label", `${texts.show} ${extract.name} ${extract.receiver_name}`);
  button.addEventListener("click", () => choose(extract));
  item.append(
    make("b", extract.name), make("span", texts.forWhom.replace("{receiver}", extract.receiver_name).replace("{matter}", extract.matter)),
    make("span", extract.fields.join(texts.comma) || texts.noFields), make("time", texts.until.replace("{at}", moment(extract.expires_at))), button,
  );
  return item;
}

function choose(extract) {
  chosen = extract;
  draw();
  part("extract-done").hidden = true;
  part("extract-form").hidden = false;
  part("extract-form").reset();
  part("extract-form").elements.nonce.focus();
}

async function present(event) {
  event.preventDefault();
  const wallet = await store.get(NAME), nonce = event.target.elements.nonce.value.replace(/\s/g, "");
  const asked = { audience: chosen.receiver, nonce };
  const text = await bind(chosen.text, wallet.keys.privateKey, asked, Date.now() / 1000 + wallet.skew);
  const file = new File([text], `${chosen.id}.sd-jwt`, { type: MEDIA_TYPE });
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(file);
  Object.assign(part("extract-save"), { href: address, download: file.name });
  part("extract-form").hidden = true;
  part("extract-done").hidden = false;
  part("extract-save").focus();
}

part("extracts-box").addEventListener("toggle", (event) => event.target.open && list());
part("extract-form").addEventListener("submit", present);
onLanguage(draw);

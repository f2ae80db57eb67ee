// Verifying: a keyboard-wedge scanner types the code and Enter; a picture or a bundle is sent as soon as it is chosen.

import { watchStrayScans } from "./stray.js";

// What a Chinese input method makes of the ASCII a scanner types; none of these signs can occur in a code.
const TYPED_AS = new Map([["。", "."], ["、", "/"], ["￥", "$"], ["¥", "$"]]);

export function asTyped(text) {
  const repaired = Array.from(text, (sign) => TYPED_AS.get(sign) ?? sign).join("");
  return once(repaired.normalize("NFKC").replace(/[\r\n\t]/g, ""));
}

// A trigger pulled twice types the same code twice.
function once(text) {
  const half = text.slice(0, text.length / 2);
  return text.toUpperCase().startsWith("SZ1:") && half + half === text ? half : text;
}

export function scanning(input) {
  let enterEndedIt = false;
  input.addEventListener("keydown", (event) => {
    // During composition the input method keeps Enter for itself: remember it and send afterwards.
    if (event.isComposing) enterEndedIt = event.code === "Enter" || event.code === "NumpadEnter";
  });
  input.addEventListener("compositionend", () => {
    const code = asTyped(input.value);
    if (enterEndedIt && code.toUpperCase().startsWith("SZ1:")) {
      input.value = code;
      input.form.requestSubmit();
    }
    enterEndedIt = false;
  });
  // First of all that listen to the form: what is dropped here is not on its way.
  input.form.addEventListener("submit", (event) => {
    input.value = asTyped(input.value);
    if (isRestOf(before, input.value)) {
      event.preventDefault();
      input.value = "";
    } else {
      sessionStorage.setItem(LAST, input.value);
    }
  }, true);
}

// The second of two pulls of the trigger ends on the page of the first one's verdict, without its beginning.
const LAST = "scanned";
const before = sessionStorage.getItem(LAST) ?? "";
sessionStorage.removeItem(LAST);

export function isRestOf(whole, text) {
  return text !== "" && text.length < whole.length && whole.endsWith(text);
}

function send(form, files) {
  const input = form.querySelector("input[data-anywhere]");
  const box = new DataTransfer();
  box.items.add(files[0]);
  input.files = box.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

// A file for verifying may be dropped or pasted anywhere: a drop beside the box would else leave the page.
function watchAnywhere(root) {
  const input = root.querySelector("input[data-anywhere]");
  if (!input) return;
  input.addEventListener("change", () => input.files.length && input.form.requestSubmit());
  root.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files ?? [];
    if (!files.length) return;
    event.preventDefault();
    send(input.form, files);
  });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    // The box itself has taken what was dropped on it.
    if (event.defaultPrevented) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) send(input.form, event.dataTransfer.files);
  });
}

export function watchScans(root) {
  root.querySelectorAll("input[data-scan]").forEach(scanning);
  watchStrayScans(root);
  watchAnywhere(root);
  const camera = root.querySelector("input[data-camera]");
  if (!camera) return;
  const form = camera.closest("form");
  form.querySelectorAll("[data-without-script]").forEach((button) => { button.hidden = true; });
  camera.addEventListener("change", () => camera.files.length && send(form, camera.files));
}

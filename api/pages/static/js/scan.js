// Verifying: a keyboard-wedge scanner types the code and Enter; a picture or a bundle is sent as soon as it is chosen.

// What a Chinese input method makes of the ASCII a scanner types; none of these signs can occur in a code.
const TYPED_AS = new Map([["。", "."], ["、", "/"], ["￥", "$"], ["¥", "$"]]);

export function asTyped(text) {
  const repaired = Array.from(text, (sign) => TYPED_AS.get(sign) ?? sign).join("");
  return repaired.normalize("NFKC").replace(/[\r\n\t]/g, "");
}

function scanning(input) {
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
  input.form.addEventListener("submit", () => { input.value = asTyped(input.value); });
}

function send(form, files) {
  const input = form.querySelector("[data-drop] input[type=file]");
  const box = new DataTransfer();
  box.items.add(files[0]);
  input.files = box.files;
  form.requestSubmit();
}

export function watchScans(root) {
  root.querySelectorAll("input[data-scan]").forEach(scanning);
  const camera = root.querySelector("input[data-camera]");
  if (!camera) return;
  const form = camera.closest("form");
  form.querySelectorAll("[data-without-script]").forEach((button) => { button.hidden = true; });
  form.querySelector("[data-drop] input[type=file]").addEventListener("change", () => form.requestSubmit());
  camera.addEventListener("change", () => camera.files.length && send(form, camera.files));
  root.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files ?? [];
    if (!files.length) return;
    event.preventDefault();
    send(form, files);
  });
}

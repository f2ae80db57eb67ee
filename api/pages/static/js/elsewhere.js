// A scan on a page that has no field for scans is verified. It presses no button on its way and fills no field: the Enter
// and the blanks of a code would. Where something was typed already the page stays, and the scan is dropped.

import { scanning } from "./scan.js";
import { isCharacterOf, PREFIX, WRITABLE } from "./stray.js";

function verify(text) {
  const form = document.createElement("form");
  form.method = "post";
  form.action = "/verify";
  form.hidden = true;
  const input = document.createElement("input");
  input.name = "text";
  input.value = text;
  form.append(input);
  document.body.append(form);
  scanning(input);
  form.requestSubmit();
}

// Whether something stands here that was not there when the page came, or that the page just refused.
function isTouched(root) {
  if (root.querySelector("[aria-invalid=true], .problem")) return true;
  const differs = (one) => {
    if (one.type === "checkbox" || one.type === "radio") return one.checked !== one.defaultChecked;
    if (one.type === "file") return one.files.length > 0;
    return one.value !== one.defaultValue;
  };
  const chosen = [...root.querySelectorAll("option")].some((one) => one.selected !== one.defaultSelected && one.index > 0);
  return chosen || [...root.querySelectorAll("input, textarea")].some(differs);
}

export function watchElsewhere(root) {
  if (root.querySelector("input[data-scan]")) return;
  let scanned = "", started = null;
  root.addEventListener("keydown", (event) => {
    if (event.key === "Shift") return;
    const whole = scanned.length >= PREFIX.length, field = event.target.closest?.(WRITABLE) ?? null;
    if (event.key === "Enter" && whole) {
      event.preventDefault();
      if (!isTouched(root)) verify(scanned);
      scanned = "";
    } else if (!isCharacterOf(event) || field?.type === "password") scanned = "";
    else {
      if (whole) event.preventDefault();
      const longer = scanned + event.key;
      if (whole || PREFIX.startsWith(longer.toUpperCase())) scanned = longer;
      else scanned = event.key.toUpperCase() === PREFIX[0] ? event.key : "";
      if (scanned.length === 1) started = field && { field, value: field.value };
      if (scanned.toUpperCase() !== PREFIX) return;
      event.preventDefault();
      // The field gets back what stood in it before the scan.
      if (started) started.field.value = started.value;
    }
  });
}

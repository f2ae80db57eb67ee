// A scan on a page that has no field for scans is verified. It presses no button on its way: the Enter and the blanks
// of a code would. Where something was typed already the page stays, and the scan is dropped.

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

export function watchElsewhere(root) {
  if (root.querySelector("input[data-scan]")) return;
  let scanned = "";
  let touched = false;
  root.addEventListener("input", () => { touched = true; });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Shift") return;
    const whole = scanned.length >= PREFIX.length;
    if (event.target.closest?.(WRITABLE)) scanned = "";
    else if (event.key === "Enter" && whole) {
      event.preventDefault();
      if (!touched) verify(scanned);
      scanned = "";
    } else if (!isCharacterOf(event)) scanned = "";
    else {
      if (whole) event.preventDefault();
      const longer = scanned + event.key;
      if (whole || PREFIX.startsWith(longer.toUpperCase())) scanned = longer;
      else scanned = event.key.toUpperCase() === PREFIX[0] ? event.key : "";
      if (scanned.toUpperCase() === PREFIX) event.preventDefault();
    }
  });
}

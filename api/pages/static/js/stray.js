// A scanner types wherever the focus happens to be. What begins like a code belongs into the field for scans.

export const PREFIX = "SZ1:";
export const WRITABLE = "input:not([type=checkbox]):not([type=radio]):not([type=file]), textarea, [contenteditable]";

export function isCharacterOf(event) {
  return event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
}

function isCharacter(event) {
  return event.key !== " " && isCharacterOf(event);
}

// Outside of a field every character is a scan's; in a list of choices only one that begins like a code.
function follow(root, scan) {
  let before = "";
  root.addEventListener("keydown", (event) => {
    if (!isCharacter(event) || event.target.closest?.(WRITABLE)) {
      before = "";
      return;
    }
    const typed = (before + event.key).toUpperCase();
    before = event.key;
    if (event.target.closest?.("select")) {
      if (typed !== PREFIX.slice(0, 2)) return;
      scan.value = PREFIX.slice(0, 1);
      scan.focus();
      return;
    }
    scan.focus();
    scan.select();
  });
}

// A code typed behind what stands in another field moves over as soon as it shows.
function moveOver(root, scan) {
  root.addEventListener("input", (event) => {
    const field = event.target;
    if (field === scan || event.isComposing || !field.matches?.(WRITABLE) || field.type === "password") return;
    if (!field.value.normalize("NFKC").toUpperCase().endsWith(PREFIX)) return;
    field.value = field.value.slice(0, -PREFIX.length);
    scan.value = PREFIX;
    scan.focus();
  });
}

export function watchStrayScans(root) {
  const scan = root.querySelector("input[data-scan]");
  if (!scan) return;
  follow(root, scan);
  moveOver(root, scan);
}

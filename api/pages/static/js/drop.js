// A file input that also takes a drop and says what it holds.

function show(area, input) {
  const names = Array.from(input.files, (file) => `${file.name} (${size(file.size)})`);
  area.querySelector("[data-drop-name]").textContent = names.join("、");
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

export function watchDrops(root) {
  for (const area of root.querySelectorAll("[data-drop]")) {
    const input = area.querySelector("input[type=file]");
    input.addEventListener("change", () => show(area, input));
    area.addEventListener("dragover", (event) => {
      event.preventDefault();
      area.dataset.over = "yes";
    });
    area.addEventListener("dragleave", () => delete area.dataset.over);
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      delete area.dataset.over;
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
}

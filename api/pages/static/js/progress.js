// An import under way: its numbers as they come; when nothing changes any more, the page that says so.

function watching(area) {
  const find = (name) => document.querySelector(`[data-${name}]`);
  const bar = find("bar");
  const source = new EventSource(area.dataset.watch);
  const format = new Intl.NumberFormat("en");
  source.addEventListener("progress", (event) => {
    const job = JSON.parse(event.data);
    if (job.state !== area.dataset.state) {
      // Another step, with a headline and buttons of its own.
      source.close();
      window.location.reload();
      return;
    }
    const undoing = job.state === "undoing";
    const total = undoing ? job.accepted : job.total;
    if (job.state !== "reading" && total) bar.value = Math.floor(((undoing ? job.undone + job.undo_kept : job.done) / total) * 100);
    find("done-rows").textContent = format.format(undoing ? job.undone + job.undo_kept : job.done);
    find("total-rows").textContent = format.format(total);
    for (const name of ["accepted", "duplicate", "refused", "undone"]) {
      const place = document.querySelector(`[data-count="${name}"]`);
      if (place) place.textContent = format.format(job[name]);
    }
    find("note").textContent = "";
  });
  source.addEventListener("end", () => {
    source.close();
    window.location.reload();
  });
  // The browser tries again by itself; the work does not depend on it.
  source.addEventListener("error", () => { find("note").textContent = area.dataset.lost; });
  window.addEventListener("pagehide", () => source.close());
}

export function watchProgress(root) {
  root.querySelectorAll("[data-watch]").forEach(watching);
}

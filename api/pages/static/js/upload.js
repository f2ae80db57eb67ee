// Sending a large file with a progress bar. The answer is the same page a plain form would get.

function uploading(form) {
  const panel = form.querySelector("[data-progress]");
  const bar = panel.querySelector("progress");
  const line = panel.querySelector("[data-progress-text]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (form.dataset.sent) return;
    form.dataset.sent = "yes";
    form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-busy", "true"));
    panel.hidden = false;
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (step) => {
      if (!step.lengthComputable) return;
      const percent = Math.floor((step.loaded / step.total) * 100);
      bar.value = percent;
      line.textContent = panel.dataset.sending.replace("{percent}", percent);
    });
    request.upload.addEventListener("load", () => {
      bar.removeAttribute("value");
      line.textContent = panel.dataset.working;
    });
    request.addEventListener("load", () => finish(request));
    request.addEventListener("error", () => {
      panel.dataset.failed = "yes";
      bar.value = 0;
      line.textContent = panel.dataset.broken;
      delete form.dataset.sent;
      form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    });
    request.send(new FormData(form));
  });
}

function finish(request) {
  // A redirect was followed: the report has an address of its own.
  if (request.responseURL && new URL(request.responseURL).pathname !== window.location.pathname && request.status === 200) {
    window.location.assign(request.responseURL);
    return;
  }
  const answer = new DOMParser().parseFromString(request.responseText, "text/html");
  document.title = answer.title;
  document.querySelector("main").replaceWith(document.adoptNode(answer.querySelector("main")));
  window.scrollTo(0, 0);
  document.querySelector("main [data-focus]")?.focus();
  import("./forms.js").then((forms) => forms.watchForms(document.querySelector("main")));
  import("./drop.js").then((drop) => drop.watchDrops(document.querySelector("main")));
  watchUploads(document.querySelector("main"));
}

export function watchUploads(root) {
  root.querySelectorAll("form[data-upload]").forEach(uploading);
}

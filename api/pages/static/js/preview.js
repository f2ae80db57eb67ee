// A form that shows what it will make while it is filled in. Nothing is saved by looking.

const PAUSE_MS = 300;

function watch(form, shown) {
  let timer = 0;
  let asked = null;
  const look = async () => {
    asked?.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form), signal: asked.signal });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      shown.replaceChildren(...page.body.childNodes);
    } catch (fault) {
      // The network is away, or a newer look overtook this one: what is shown stays.
      if (fault.name !== "AbortError") shown.dataset.stale = "yes";
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS);
  });
}

export function watchPreviews(root) {
  const form = root.querySelector("form[data-preview]");
  const shown = root.querySelector("[data-preview-of]");
  if (form && shown) watch(form, shown);
}

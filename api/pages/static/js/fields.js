// The editor of matters: which fields a slot may need follows from the types that fill it, as soon as they are chosen.

function watch(slot, shown, button) {
  const { place, fieldsFrom } = shown.dataset;
  let asked = null;
  button.hidden = true;
  slot.addEventListener("change", async (event) => {
    if (event.target.name !== `slots.${place}.accepts`) return;
    asked?.abort();
    asked = new AbortController();
    const sent = new FormData();
    sent.append("place", place);
    for (const box of slot.querySelectorAll("input[type=checkbox]:checked")) sent.append(box.name, box.value);
    try {
      const answer = await fetch(fieldsFrom, { method: "POST", body: sent, signal: asked.signal });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      shown.replaceChildren(...page.body.childNodes);
      button.hidden = true;
    } catch (fault) {
      // The network is away, or the session has ended: the button asks for them as it does without a script.
      if (fault.name !== "AbortError") button.hidden = false;
    }
  });
}

export function watchFields(root) {
  for (const shown of root.querySelectorAll("[data-fields-from]")) {
    watch(shown.closest("fieldset.card"), shown, shown.parentElement.querySelector("[data-fields-button]"));
  }
}

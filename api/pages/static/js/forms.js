// Forms: no double sending, a question before what cannot be undone, copying, printing, focus on the problem.

function busy(form) {
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-busy", "true");
  });
}

// One question may stand for several forms: whose it is now.
const askedFor = new WeakMap();

function asking(form) {
  const dialog = document.getElementById(form.dataset.confirm);
  if (!dialog || typeof dialog.showModal !== "function") return;
  for (const box of form.querySelectorAll("[data-without-script]")) {
    box.hidden = true;
    box.querySelector("input").required = false;
  }
  form.addEventListener("submit", (event) => {
    if (form.dataset.agreed) return;
    event.preventDefault();
    for (const slot of dialog.querySelectorAll("[data-repeat]")) {
      const field = form.elements[slot.dataset.repeat];
      slot.textContent = field.selectedOptions ? field.selectedOptions[0].textContent : field.value;
    }
    askedFor.set(dialog, form);
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes" || askedFor.get(dialog) !== form) return;
    form.dataset.agreed = "yes";
    form.requestSubmit();
  });
}

function copying(button) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent.trim());
    const label = button.querySelector("[data-label]");
    const before = label.textContent;
    label.textContent = button.dataset.copied;
    setTimeout(() => { label.textContent = before; }, 2000);
  });
}

// What a form was answered with has no address of its own: going back to it, or loading it again, opens the page it came
// from instead of asking whether to send the form again.
export function leaveTheAnswer() {
  const { answered } = document.body.dataset;
  if (answered) window.history.replaceState(null, "", answered + window.location.hash);
}

// Where the page came before its script, somebody may be typing already.
function isBeingWritten(field) {
  return Boolean(field?.matches("input, textarea")) && field.value !== field.defaultValue;
}

export function watchForms(root) {
  root.querySelectorAll("form[data-confirm]").forEach(asking);
  root.querySelectorAll("form[data-busy]").forEach(busy);
  root.querySelectorAll("button[data-copy]").forEach((button) => {
    if (navigator.clipboard) copying(button);
    else button.hidden = true;
  });
  root.querySelectorAll("button[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  });
  // The browser keeps a page it goes back to; a form sent once must be usable again then.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    root.querySelectorAll("form[data-sent]").forEach((form) => {
      delete form.dataset.sent;
      form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
    });
  });
  const problem = root.querySelector("[data-focus]");
  if (problem && !isBeingWritten(document.activeElement)) problem.focus();
}

// A page that waits for its anchor looks now and then whether it has come, and takes over the parts that tell of it.

const FIRST_MS = 2000;
const LONGEST_MS = 60000;

// What each part was when it came: what a reader has opened in it since does not count.
function partsOf(root) {
  return new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part.innerHTML]));
}

function takeOver(shown, fresh) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const html = fresh.get(name);
    // What somebody is at with the keyboard stays until they have moved on.
    if (html === undefined || html === shown.get(name) || part.contains(document.activeElement)) continue;
    part.innerHTML = html;
    shown.set(name, html);
  }
  return [...fresh].every(([name, html]) => shown.get(name) === html);
}

function awaiting(mark) {
  const shown = partsOf(document);
  let pause = FIRST_MS;
  let timer = 0;

  const wait = () => {
    clearTimeout(timer);
    // Nobody looks at a page that is hidden: it goes on when it is seen again.
    if ("awaits" in mark.dataset && !document.hidden) timer = setTimeout(look, pause);
  };
  const look = async () => {
    pause = Math.min(LONGEST_MS, pause * 1.5);
    const answer = await fetch(mark.dataset.awaits, { headers: { Accept: "text/html" }, redirect: "error" }).catch(() => null);
    // Logged out, or not to be seen any more: looking on would not change that.
    const over = answer && !answer.ok;
    if (answer?.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const all = takeOver(shown, partsOf(page));
      if (all && !page.querySelector("[data-awaits]")) delete mark.dataset.awaits;
    }
    if (!over) wait();
  };
  document.addEventListener("visibilitychange", () => {
    pause = FIRST_MS;
    wait();
  });
  wait();
}

export function watchAwaited(root) {
  root.querySelectorAll("[data-awaits]").forEach(awaiting);
}

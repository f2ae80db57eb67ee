// The language on pages that stand alone: both are in the page, so it changes without a network and loses nothing. The
// server is told, so that its other pages follow; what it was not told yet is told when the page opens again.

const KEPT = "suizheng-language", UNTOLD = "suizheng-language-untold";
const followers = [];

export const language = () => (document.documentElement.lang === "en" ? "en" : "zh");

// The texts of a script, which the element holds in both languages: one object that follows the page's language.
export function textsOf(id) {
  const { dataset } = document.getElementById(id), texts = {};
  const take = () => Object.assign(texts, JSON.parse(dataset[language() === "en" ? "textsEn" : "textsZh"]));
  take();
  followers.unshift(take);
  return texts;
}

// `redraw` puts what the script itself has said in the new language.
export function onLanguage(redraw) {
  followers.push(redraw);
}

function speak(wanted) {
  document.documentElement.lang = wanted === "en" ? "en" : "zh-CN";
  for (const one of document.querySelectorAll("[data-zh]")) one.textContent = one.dataset[wanted];
  for (const one of document.querySelectorAll("[data-said-as]")) {
    one.setAttribute(one.dataset.saidAs, one.dataset[wanted === "en" ? "saidEn" : "saidZh"]);
  }
  for (const follow of followers) follow();
}

async function tell() {
  localStorage.setItem(UNTOLD, "yes");
  if (!navigator.onLine) return;
  const body = new URLSearchParams({ language: language() });
  const answer = await fetch("/settings", { method: "POST", redirect: "manual", body }).catch(() => null);
  if (answer?.type === "opaqueredirect") localStorage.removeItem(UNTOLD);
}

export function watchLanguage(button) {
  const mark = () => Object.assign(button, language() === "en" ? { value: "zh", lang: "zh-CN" } : { value: "en", lang: "en" });
  const isUntold = localStorage.getItem(UNTOLD) !== null, isChosen = "chosen" in document.documentElement.dataset;
  const kept = localStorage.getItem(KEPT);
  // A page that was kept for want of a network knows of no choice: then what this device remembers holds.
  if ((isUntold || !isChosen) && kept && kept !== language()) speak(kept);
  else if (isChosen) localStorage.setItem(KEPT, language());
  if (isUntold) tell();
  onLanguage(mark);
  mark();
  button.addEventListener("click", (event) => {
    event.preventDefault();
    speak(button.value);
    localStorage.setItem(KEPT, language());
    tell();
  });
}

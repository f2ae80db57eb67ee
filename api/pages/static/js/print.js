// Large print on pages that stand alone: remembered on the device, as the server's cookie is not asked without a network.

export function watchPrint(button, changed = () => null) {
  const set = (isLarge) => {
    if (isLarge) document.documentElement.dataset.print = "large";
    else delete document.documentElement.dataset.print;
    button.setAttribute("aria-pressed", String(isLarge));
    localStorage.setItem("suizheng-print", isLarge ? "large" : "normal");
    changed();
  };
  if (localStorage.getItem("suizheng-print") === "large") set(true);
  button.addEventListener("click", (event) => {
    event.preventDefault();
    set(document.documentElement.dataset.print !== "large");
  });
}

// The verification page's live camera: the first code in view is sent as a scanner would type it.

import { Camera, Decoder, canRead } from "./reader/camera.js";

async function watch(button, view, input) {
  if (!(await canRead().catch(() => false))) return;
  button.hidden = false;
  let camera = null;
  button.addEventListener("click", async () => {
    if (camera?.running) {
      camera.stop();
      view.hidden = true;
      return;
    }
    camera = new Camera(view.querySelector("video"), new Decoder());
    view.hidden = false;
    const found = async (text) => {
      camera.stop();
      input.value = text;
      input.form.requestSubmit();
    };
    await camera.start(found).catch(() => { view.hidden = true; });
  });
}

export function watchLive(root) {
  const button = root.querySelector("[data-live]");
  if (button) watch(button, root.querySelector("[data-live-view]"), root.querySelector("input[data-scan]"));
}

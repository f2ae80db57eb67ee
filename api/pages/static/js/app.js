// Everything here improves a page that already works without it.
import { watchForms } from "./forms.js";
import { watchDrops } from "./drop.js";
import { watchScans } from "./scan.js";
import { watchUploads } from "./upload.js";

document.documentElement.dataset.script = "on";

watchForms(document);
watchDrops(document);
watchScans(document);
watchUploads(document);

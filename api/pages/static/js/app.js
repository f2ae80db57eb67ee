// Everything here improves a page that already works without it.
import { leaveTheAnswer, watchForms } from "./forms.js";
import { watchDrops } from "./drop.js";
import { watchLive } from "./live.js";
import { watchElsewhere } from "./elsewhere.js";
import { watchScans } from "./scan.js";
import { watchUploads } from "./upload.js";
import { watchAwaited } from "./awaiting.js";
import { watchProgress } from "./progress.js";
import { watchMenus } from "./menus.js";
import { watchPreviews } from "./preview.js";
import { watchFields } from "./fields.js";
import { watchHolders } from "./holders.js";

leaveTheAnswer();
watchForms(document);
watchDrops(document);
watchScans(document);
watchElsewhere(document);
watchLive(document);
watchUploads(document);
watchAwaited(document);
watchProgress(document);
watchMenus(document);
watchPreviews(document);
watchFields(document);
watchHolders(document);

// Last: from here on a click is answered by the script.
document.documentElement.dataset.script = "on";

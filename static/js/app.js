// What every page runs: live figures, forms that ask before they are left, the phone's menu.
import { watchForms } from "./forms.js";
import { listen } from "./live.js";

listen(document.body);
watchForms(document.body);

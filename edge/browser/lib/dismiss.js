// Visitors may close an offer whose slot says `dismissible`.  The default comes back, and the
// placement is not decided again: in this page's life, and with full consent in this tab's.
//
// A tab's storage is asked only where some tab ever dismissed something: to ask waits for another
// process, and the first paint waits for us.
import { keep, recall } from "./keep.js";

const NAME = "proffer.dismissed", EVER = "dismissed";

const stored = (page) => {
  try { return recall(page, EVER) && sessionStorage.getItem(NAME)?.split("\n") || []; } catch { return []; }
};

const dismissed = (page) => page.dismissed ??= new Set(stored(page));

export const isDismissed = (page, placement) => dismissed(page).has(placement);

export const dismiss = (page, placement) => {
  dismissed(page).add(placement);
  if (!keep(page, EVER, "1")) return;
  try { sessionStorage.setItem(NAME, [...dismissed(page)].join("\n")); } catch { /* this page knows */ }
};

// Visitors may close an offer whose slot says `dismissible`.  The default comes back, and the
// placement is not decided again: in this page's life, and with full consent in this tab's.
import { mayKeep } from "./keep.js";

const NAME = "proffer.dismissed";

const stored = (page) => {
  try { return mayKeep(page) && sessionStorage.getItem(NAME)?.split("\n") || []; } catch { return []; }
};

const dismissed = (page) => page.dismissed ??= new Set(stored(page));

export const isDismissed = (page, placement) => dismissed(page).has(placement);

export const dismiss = (page, placement) => {
  dismissed(page).add(placement);
  if (!mayKeep(page)) return;
  try { sessionStorage.setItem(NAME, [...dismissed(page)].join("\n")); } catch { /* this page knows */ }
};

// A browser's decision carries no token, since what runs in a page proves nothing.  When a visitor
// follows an offer that is worth one, the edge decides again (edge/confirming.py): if it could have
// drawn this arm, the link is followed with its token; if not, the visitor is told at once, and the slot's
// reason becomes NOT_CONFIRMED.  The edge being away is a refusal too: nobody arrives at a checkout
// with a promise that was never made.
import { postEdge } from "./askEdge.js";
import { inLanguage, withToken } from "./showOffer.js";

const PATIENCE_MS = 5000;
const GONE = {
  en: "This offer is no longer available.",
  de: "Dieses Angebot gilt nicht mehr.",
  fr: "Cette offre n'est plus disponible.",
};

const confirm = async (page, { placement, slot, offer, rung, decision }) => {
  const taken = page.view.taken.filter((one) => one.placement !== placement);
  const fields = { placement, slot, arm: `${offer}/${rung}`, decision, taken };
  const [decided] = await postEdge(page, page.settings.confirm, fields, AbortSignal.timeout(PATIENCE_MS));
  return decided.token;
};

const tellGone = (page, slot, link) => {
  const notice = document.createElement("span");
  notice.setAttribute("role", "status");
  notice.className = "proffer-gone";
  notice.textContent = inLanguage(GONE, page);
  link.replaceWith(notice);
  slot.dataset.reason = "NOT_CONFIRMED";
  slot.dispatchEvent(new CustomEvent("proffer-not-confirmed", { bubbles: true, detail: slot.decided }));
};

// Another tab must be opened within the click itself, or browsers take it for a pop-up.
const openTab = () => {
  const tab = window.open("about:blank", "_blank");
  if (tab) tab.opener = null;
  return { go: (link) => { (tab ?? window).location.href = link.href; }, close: () => tab?.close() };
};

// The click once more, now with a token, for the page's own handlers and for the browser.
const here = { go: (link) => link.click(), close: () => {} };

const wantsTab = (event, link) =>
  event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey || link.target === "_blank";

const quietly = (act) => (...given) => { try { return act(...given); } catch { return undefined; } };

export const acceptOffer = (page) => {
  const accept = async (slot, link, target) => {
    slot.dataset.accepting = "";
    const token = await confirm(page, slot.decided).catch(() => null);
    delete slot.dataset.accepting;
    if (!token) {
      target.close();
      return tellGone(page, slot, link);
    }
    slot.decided.token = token;
    link.setAttribute("href", withToken(link.getAttribute("href"), token));
    return target.go(link);
  };

  const accepted = quietly((event) => {
    const link = event.target.closest?.(".proffer-offer a[href]"), slot = link?.closest("proffer-slot");
    if (!slot?.decided?.token_s || slot.decided.token) return;
    if (event.type === "auxclick" && event.button !== 1) return;
    event.preventDefault();
    event.stopImmediatePropagation(); // nobody follows a link that may be no offer
    if ("accepting" in slot.dataset) return; // a second click changes nothing
    accept(slot, link, wantsTab(event, link) ? openTab() : here);
  });

  for (const kind of ["click", "auxclick"]) addEventListener(kind, accepted, { capture: true });
};

// What a consent tool said becomes this page's consent: remembered in a cookie that the edge reads
// too, since it is the visitor's own choice; less than full consent forgets all that was kept.
import { CONSENT_COOKIE, readConsent } from "./readConsent.js";
import { forgetAll, mayKeep } from "./keep.js";
import { forgetFiles } from "./keepFile.js";

const LIFE_S = 180 * 86_400;

export const settleConsent = (page, said) => {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${CONSENT_COOKIE}=${said}; Path=/; Max-Age=${LIFE_S}; SameSite=Lax${secure}`;
  page.consent = readConsent(page.settings, said);
  if (!mayKeep(page)) {
    forgetAll();
    forgetFiles();
    try { sessionStorage.removeItem("proffer.dismissed"); } catch { /* nothing was kept there */ }
  }
};

// Which consent counts: the strictest word that the page, the cookie, the browser's Global Privacy
// Control or the consent tool said.  "" while nobody said anything: then nothing is stored.
//
//   full        decided for this visitor; caps, choices and unsent events are kept in the browser
//   contextual  decided by this page view alone, nothing is kept
//   none        defaults only

const WORDS = ["full", "contextual", "none"];
export const CONSENT_COOKIE = "proffer_consent";

const fromCookie = () => {
  try {
    const cookies = document.getElementById("proffer")?.cookies ?? document.cookie; // head.js
    return new RegExp(`(?:^|; )${CONSENT_COOKIE}=([^;]*)`).exec(cookies)?.[1];
  } catch { return ""; } // a sandboxed frame
};

export const strictest = (words) => {
  const ranks = words.filter(Boolean).map((word) => WORDS.indexOf(word));
  return ranks.length ? WORDS[ranks.includes(-1) ? 2 : Math.max(...ranks)] : "";
};

// `fromTool`: what a consent tool said on this page (watchConsent.js); it replaces what the cookie
// remembers of it.
export const readConsent = (settings, fromTool = "") =>
  strictest([settings.consent, fromTool || fromCookie(), navigator.globalPrivacyControl && "contextual"]);

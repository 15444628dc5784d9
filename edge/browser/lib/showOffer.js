// From a decision to the element that stands in its slot; the markup is that of edge/rendering.py.
// Contents are text and addresses, never HTML: nothing here parses a text.
import { disclosureOf } from "../creatives.js";
import { isAllowed } from "./isAllowed.js";
import { localeOf } from "./localeOf.js";

const TOKEN_PARAMETER = "proffer_token";
const CLOSE = { en: "Close this offer", de: "Angebot schließen", fr: "Fermer cette offre" };

const element = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, value);
  return made;
};

// The address with the token among its query, before a fragment.
export const withToken = (address, token) => {
  if (!token) return address;
  const [rest, ...fragment] = address.split(/(?=#)/);
  const joint = /[?&]$/.test(rest) ? "" : rest.includes("?") ? "&" : "?";
  return `${rest}${joint}${TOKEN_PARAMETER}=${token}${fragment.join("")}`;
};

export const inLanguage = (texts, page) => texts[localeOf(page).split("-")[0].toLowerCase()] ?? texts.en;

export const closeButton = (page, close) => {
  const button = element("button", "\u00d7", {
    type: "button", class: "proffer-dismiss", "aria-label": inLanguage(CLOSE, page),
  });
  button.addEventListener("click", close);
  return button;
};

export const showOffer = (page, decided) => {
  const { image = "", image_alt = "", headline = "", body = "", cta = "", href = "" } = decided.creative;
  const offer = element("div", "", {
    class: "proffer-offer", "data-decision": decided.decision, "data-offer": decided.offer,
    "data-rung": decided.rung, "data-placement": decided.placement, "data-slot": String(decided.slot),
  });
  if (image && isAllowed(page, image)) {
    const img = element("img", "", { src: image });
    img.alt = image_alt;
    offer.append(img);
  }
  if (headline) offer.append(element("h2", headline));
  if (body) offer.append(element("p", body));
  if (cta && isAllowed(page, href)) offer.append(element("a", cta, { href: withToken(href, decided.token) }));
  if (decided.disclosure) offer.append(element("small", disclosureOf(localeOf(page)), { class: "proffer-disclosure" }));
  return offer;
};

// From a decision to the HTML that stands in its slot: edge/rendering.py.  Every text is escaped, and
// an address is used only if it is `https:` or a path of the same origin.
import { disclosureOf, isSafeAddress } from "../browser/creatives.js";

const TOKEN_PARAMETER = "proffer_token", SCRIPT_PATH = "/_proffer/page.js";

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };

export const escapeHtml = (text) => text.replace(/[&<>"']/g, (char) => ENTITIES[char]);

// { attributes: [[name, value]], content: text or null for the slot's own, after }
export const fillSlot = (decided, locale, script = "") => ({
  attributes: slotAttributes(decided),
  // none, or an offer that has nothing to show here
  content: Object.keys(decided.creative).length ? offerHtml(decided, locale) : null,
  after: script,
});

// What the page script reads; a slot without them is not reported.
const slotAttributes = ({ reason, decision, slot, track, receipt }) => {
  const attributes = [["data-reason", reason]];
  if (decision)
    attributes.push(["data-decision", decision], ["data-slot", String(slot)], ["data-track", track]);
  if (receipt) attributes.push(["data-receipt", receipt]);
  return attributes;
};

const offerHtml = (decided, locale) => {
  const { creative } = decided;
  const data = [
    ["data-decision", decided.decision], ["data-offer", decided.offer], ["data-rung", decided.rung],
    ["data-placement", decided.placement], ["data-slot", String(decided.slot)],
    ["data-token", decided.token ?? ""],
  ];
  const content = [
    imageOf(creative), textOf("h2", creative.headline), textOf("p", creative.body), linkOf(decided),
    decided.disclosure ? `<small class="proffer-disclosure">${escapeHtml(disclosureOf(locale))}</small>` : "",
  ].join("");
  const attributes = data.filter(([, value]) => value).map(([name, value]) => ` ${name}="${escapeHtml(value)}"`);
  return `<div class="proffer-offer"${attributes.join("")}>${content}</div>`;
};

const textOf = (element, text) => text ? `<${element}>${escapeHtml(text)}</${element}>` : "";

const imageOf = ({ image = "", image_alt = "" }) =>
  isSafeAddress(image) ? `<img src="${escapeHtml(image)}" alt="${escapeHtml(image_alt)}">` : "";

const linkOf = ({ creative: { cta = "", href = "" }, token }) => {
  if (!cta || !isSafeAddress(href)) return "";
  return `<a href="${escapeHtml(token ? withToken(href, token) : href)}">${escapeHtml(cta)}</a>`;
};

// The address with the token among its query, before a fragment.
const withToken = (address, token) => {
  const hash = address.indexOf("#"), rest = hash < 0 ? address : address.slice(0, hash);
  const joint = /[?&]$/.test(rest) ? "" : rest.includes("?") ? "&" : "?";
  return `${rest}${joint}${TOKEN_PARAMETER}=${token}${hash < 0 ? "" : address.slice(hash)}`;
};

// The page script, with the nonce if the page's own policy works with one.
export const scriptElement = (contentSecurityPolicy) => {
  const nonce = /'nonce-([A-Za-z0-9+/_=-]{1,128})'/.exec(contentSecurityPolicy);
  return `<script src="${SCRIPT_PATH}" defer${nonce ? ` nonce="${nonce[1]}"` : ""}></script>`;
};

// Whether an address may stand in an offer: a path of the same origin, or https: at a host of the
// page's list.  The compiler has checked the same; a page that lists no host gets no foreign one.
import { isSafeAddress } from "../creatives.js";

export const isAllowed = (page, address) => {
  if (!isSafeAddress(address)) return false;
  if (address.startsWith("/")) return true;
  const { hostname } = new URL(address);
  return hostname === location.hostname || page.settings.hosts.includes(hostname);
};

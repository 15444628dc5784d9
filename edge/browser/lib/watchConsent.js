// Listens to the page's consent tool through IAB's interfaces, TCF (__tcfapi) and GPP (__gpp), and
// calls back with "full" or "contextual" each time it says something for good.
//
//   TCF   full if GDPR does not apply, or purposes 1, 5 and 6 (storage, profiles of content, and
//         content chosen by them) are consented to; `settings.tcf_purposes` names others
//   GPP   contextual if any section opts out of sale, sharing or targeted advertising or carries
//         Global Privacy Control; its European section is read as TCF's
//
// Both interfaces may come later than we do: they are looked for until the page has loaded.

const PURPOSES = [1, 5, 6];
const OPT_OUTS = ["SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"];
const OPTED_OUT = 1;

const word = (isFull) => (isFull ? "full" : "contextual");

export const fromTcf = (data, purposes = PURPOSES) => {
  if (data?.gdprApplies === false) return "full";
  if (!["tcloaded", "useractioncomplete"].includes(data?.eventStatus)) return "";
  return word(purposes.every((purpose) => data.purpose?.consents?.[purpose] === true));
};

const segments = (sections) => Object.entries(sections ?? {}).flatMap(([name, content]) =>
  [content].flat().map((segment) => [name, segment]));

export const fromGpp = (ping, purposes = PURPOSES) => {
  if (ping?.signalStatus !== "ready") return "";
  const found = segments(ping.parsedSections);
  if (!found.length) return (ping.applicableSections ?? []).some((id) => id > 0) ? "contextual" : "full";
  return word(found.every(([name, segment]) => {
    if (name === "tcfeuv2" && segment.PurposeConsents)
      return purposes.every((purpose) => [true, 1].includes(segment.PurposeConsents[purpose - 1]));
    return segment.Gpc !== true && !OPT_OUTS.some((field) => segment[field] === OPTED_OUT);
  }));
};

const listen = (name, ask, said) => {
  const tool = globalThis[name];
  if (typeof tool !== "function") return false;
  try { ask(tool, (consent) => consent && said(consent)); } catch { /* a tool's own trouble */ }
  return true;
};

export const watchConsent = ({ tcf_purposes: purposes }, said) => {
  const tools = {
    __tcfapi: (tool, tell) => tool("addEventListener", 2, (data, well) => well && tell(fromTcf(data, purposes))),
    __gpp: (tool, tell) => tool("addEventListener", ({ pingData }) => tell(fromGpp(pingData, purposes))),
  };
  const look = () => {
    for (const name of Object.keys(tools)) if (listen(name, tools[name], said)) delete tools[name];
  };
  look();
  for (const moment of ["DOMContentLoaded", "load"]) addEventListener(moment, look);
};

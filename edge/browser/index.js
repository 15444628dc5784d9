// proffer-browser: what pages with a build of their own import.  Pages without one take the scripts
// that are built from the same files (first.min.js, page.js): docs/reference/browser.md.
export { askEdge } from "./lib/askEdge.js";
export { askKernel } from "./lib/askKernel.js";
export { beginView } from "./lib/beginView.js";
export { defineSlot } from "./lib/defineSlot.js";
export { followPolicy } from "./lib/followPolicy.js";
export { settleConsent } from "./lib/settleConsent.js";
export { sharedPage } from "./lib/sharedPage.js";
export { Kernel, KernelError, loadKernel, readVerdict } from "./kernel.js";
export { Trust, TrustError } from "./trust.js";

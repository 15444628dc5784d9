// What the kernel script does: decides a page's slots before they are first painted.
//
// It decides with data of this page: a bundle that stands in it, or one that an earlier view stored
// and whose SHA-256 stands in it.  Without either the page keeps its defaults now, and the bundle is
// fetched for later views, once this one is done.
import { Kernel } from "../kernel.js";
import { askKernel } from "./askKernel.js";
import { defineSlot } from "./defineSlot.js";
import { recallBundle, storeBundle } from "./recallBundle.js";
import { sha256With } from "./sha256With.js";
import { sharedPage } from "./sharedPage.js";
import { whenIdle } from "./whenIdle.js";

// Only while the browser waits for this very script, nothing of the page has been painted.
const isAwaited = (script) => script?.getAttribute("blocking") === "render" &&
  script.parentNode === document.head && "blocking" in HTMLScriptElement.prototype;

// With no bundle at hand nothing is compiled before the page is painted: there is nothing to decide.
const begin = (page, makeModule) => {
  let module;
  const sha256 = (data) => sha256With(module ??= makeModule())(data);
  const bundle = page.settings.bundle ?? recallBundle(page, sha256);
  whenIdle(() => storeBundle(page, sha256).catch(() => {})); // the network's trouble
  if (!bundle) return;
  module ??= makeModule();
  page.records = [];
  page.recorded = (...given) => page.records.push(given);
  page.policy = new Kernel(module).open(bundle);
  page.decide = askKernel(page, page.policy);
};

// `makeModule`: the kernel, as Kernel takes it; it may be refused by the page's security policy.
export const decideFirst = (makeModule) => {
  const page = sharedPage(), mayFill = isAwaited(document.currentScript);
  page.first = true;
  try {
    if (page.consent !== "none" && page.settings.manifest) begin(page, makeModule);
  } catch (error) {
    page.trouble = error; // no policy, or no kernel: the page keeps its defaults
  }
  if (page.decide) defineSlot(page, mayFill);
};

// <proffer-slot placement="home_hero"> the shop's own default </proffer-slot>
//
// The element shows an offer beside its default: a shadow root says which of the two is rendered, so
// the default never has to be taken out and the parser may still be writing it.  What is decided is
// shown before the next frame, or not at all:
//
//   filled at the edge    stays as it is
//   decided by a kernel   at once, when the parser or a script puts the element in
//   decided elsewhere     the box stays empty until the answer is there, at most `wait_ms`;
//                         then the default, for good
//   existed before us     may have been painted: the default, unless `mayFill`, which is true
//                         while the browser waits for our script before it paints
//
// Events, all bubbling: `proffer-show` (detail: the decision, also of a default), `proffer-dismiss`
// (cancelable).
import { decideSlot } from "./decideSlot.js";
import { dismiss } from "./dismiss.js";
import { closeButton, showOffer } from "./showOffer.js";

export const SLOT = "proffer-slot";
const OFFER = "offer";

const fromEdge = (slot) => ({
  reason: slot.dataset.reason, decision: slot.dataset.decision ?? "", placement: slot.getAttribute("placement"),
  slot: Number(slot.dataset.slot ?? 0), track: slot.dataset.track, receipt: slot.dataset.receipt ?? "",
});

const writeData = (slot, decided) => {
  const { reason, decision, slot: index, track, receipt } = decided;
  slot.dataset.reason = reason;
  if (decision) Object.assign(slot.dataset, { decision, slot: index, track });
  if (receipt) slot.dataset.receipt = receipt;
};

// An element that a framework drew anew shows what the one before it showed: `given` holds, per
// placement, what was decided in this view and which element has it.
const inherit = (page, slot, placement) => {
  const heir = page.view.given.get(placement)?.find((one) => !one.slot.isConnected);
  if (heir) heir.slot = slot;
  return heir;
};

const remember = (page, slot, decided, content) => {
  const { given } = page.view, placement = slot.getAttribute("placement");
  if (!given.has(placement)) given.set(placement, []);
  given.get(placement).push({ slot, decided, content });
};

// Without a box of its own, and with the element's style, so that `inherit` means what it says there.
const passage = (name) => {
  const slot = document.createElement("slot");
  slot.name = name;
  slot.style.cssText = "all: inherit; display: contents";
  return slot;
};

export const defineSlot = (page, mayFill = false) => {
  if (customElements.get(SLOT)) return;
  const early = mayFill ? new Set() : new Set(document.querySelectorAll(SLOT));

  class ProfferSlot extends HTMLElement {
    connectedCallback() {
      page.slots.add(this);
      if (this.decided === undefined) this.begin();
      else page.watch?.(this);
    }

    disconnectedCallback() {
      page.slots.delete(this);
      page.unwatch?.(this);
    }

    begin() {
      const placement = this.getAttribute("placement");
      if (this.dataset.reason) return this.adopt();
      const before = inherit(page, this, placement);
      if (before) return this.fill(before.decided, before.content?.cloneNode(true));
      if (early.delete(this)) return this.settle(null);
      const decided = decideSlot(page, placement);
      if (!(decided instanceof Promise)) return this.settle(decided);
      this.decided = null;
      this.render();
      const patience = setTimeout(() => this.settle(null), page.settings.wait_ms);
      return decided.then((found) => {
        clearTimeout(patience);
        if (!this.settled) this.settle(found);
      });
    }

    // Filled at the edge: the offer, if there is one, stands in the element instead of the default.
    adopt() {
      this.settled = true;
      this.decided = fromEdge(this);
      this.offer = this.querySelector(".proffer-offer");
      remember(page, this, this.decided, this.offer?.cloneNode(true));
      if (this.offer && this.close) this.offer.append(closeButton(page, this.close));
      page.watch?.(this);
    }

    settle(decided) {
      if (decided) remember(page, this, decided, null);
      this.fill(decided);
    }

    fill(decided, content) {
      this.settled = true;
      this.decided = decided;
      if (!decided) return this.render("");
      writeData(this, decided);
      if (content || Object.keys(decided.creative ?? {}).length) {
        this.offer = content ?? showOffer(page, decided);
        if (this.close) this.offer.append(closeButton(page, this.close));
        this.offer.slot = OFFER;
        this.prepend(this.offer);
        this.render(OFFER);
      } else this.render("");
      page.watch?.(this);
      this.dispatchEvent(new CustomEvent("proffer-show", { bubbles: true, detail: decided }));
    }

    // Which of its children are seen: the offer, the default (""), or none (undefined).
    render(name) {
      const root = this.shadowRoot ?? (name === "" ? null : this.attachShadow({ mode: "open" }));
      if (!root) return; // without a shadow the default is seen anyway
      root.replaceChildren(...name === undefined ? [] : [passage(name)]);
    }

    // What a close button does; undefined where there is none.
    get close() { return this.hasAttribute("dismissible") ? () => this.dismiss() : undefined; }

    dismiss() {
      if (!this.dispatchEvent(new CustomEvent("proffer-dismiss", { bubbles: true, cancelable: true }))) return;
      dismiss(page, this.getAttribute("placement"));
      page.unwatch?.(this);
      this.retreat();
    }

    // Back to the default; nothing more is told of this slot.
    retreat(reason = "DISMISSED") {
      this.dataset.reason = reason;
      this.offer?.remove();
      this.render("");
    }
  }
  customElements.define(SLOT, ProfferSlot);
};

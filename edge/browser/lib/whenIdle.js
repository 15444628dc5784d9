// Calls back once the page has loaded and has nothing better to do.
const LATEST_MS = 5000;

const idle = globalThis.requestIdleCallback ?? ((act) => setTimeout(act, 200));

export const whenIdle = (act) => {
  const soon = () => idle(act, { timeout: LATEST_MS });
  if (document.readyState === "complete") soon();
  else addEventListener("load", soon, { once: true });
};

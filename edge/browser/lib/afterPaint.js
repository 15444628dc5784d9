// Calls back once the page has painted what it has: nothing of ours may delay that.
const LATEST_MS = 500; // a page in the background paints nothing

export const afterPaint = (act) => {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    act();
  };
  requestAnimationFrame(() => setTimeout(once));
  setTimeout(once, LATEST_MS);
};

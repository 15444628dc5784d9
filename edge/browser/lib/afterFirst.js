// Calls back once the kernel script has had its chance: at once where the page has none, or where it
// ran; else when it did, failed, or took longer than a page waits.
export const afterFirst = (page, act) => {
  const script = document.getElementById("proffer-kernel");
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    act();
  };
  if (!script || page.first) return once();
  script.addEventListener("load", once);
  script.addEventListener("error", once);
  return setTimeout(once, page.settings.wait_ms);
};

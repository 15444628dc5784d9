// Tells the edge what was seen: an exposure once half of a slot (or of the window) was visible
// for a second (or the slot's data-exposure-ms), a click when a link in it is followed.
(() => {
  "use strict";
  const URL = "/_proffer/beacon", TYPE = "application/cloudevents-batch+json";
  let queue = [], timer = 0, failed = 0;

  const uuid = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))]
    .map((b) => b.toString(16).padStart(2, "0")).join("");

  const tell = (slot, kind) => {
    const d = slot.dataset;
    queue.push({
      specversion: "1.0", id: uuid(), source: "/page", type: "shop.proffer." + kind,
      data: {
        decision: d.decision, placement: slot.getAttribute("placement"), slot: +d.slot,
        time_s: Math.floor(Date.now() / 1000), track: d.track, receipt: d.receipt || "",
      },
    });
    timer ||= setTimeout(send, 2000);
  };

  const post = (body) =>
    fetch(URL, { method: "POST", body, headers: { "Content-Type": TYPE }, keepalive: true });

  // While the page stays, it tries again.
  const send = async () => {
    timer = 0;
    const batch = queue.splice(0, 50);
    const ok = !batch.length || await post(JSON.stringify(batch)).then((r) => r.status < 500, () => 0);
    failed = ok ? 0 : failed + 1;
    if (failed && failed < 6) queue.unshift(...batch);
    if (queue.length) timer ||= setTimeout(send, 2000 << failed);
  };
  const leave = () => {
    while (queue.length) {
      const body = new Blob([JSON.stringify(queue.splice(0, 50))], { type: TYPE });
      navigator.sendBeacon?.(URL, body) || post(body).catch(() => {});
    }
  };

  const visible = new Map();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting, intersectionRatio, intersectionRect } of entries) {
      clearTimeout(visible.get(target));
      const half = intersectionRatio >= 0.5 || intersectionRect.height >= innerHeight / 2;
      if (!isIntersecting || !half || document.hidden) continue;
      const slot = target.closest("proffer-slot");
      visible.set(target, setTimeout(() => {
        watcher.unobserve(target);
        boxes.delete(target);
        tell(slot, "exposure");
      }, slot.dataset.exposureMs || 1000));
    }
  }, { threshold: [0, 0.1, 0.2, 0.3, 0.4, 0.5] });

  const boxes = new Set();
  for (const slot of document.querySelectorAll("proffer-slot[data-decision]")) {
    slot.onclick = slot.onauxclick = (e) => e.target.closest("a") && tell(slot, "click");
    boxes.add(slot.firstElementChild || slot);
  }
  // Watching anew tells what is visible now; in the background nothing is.
  const watch = () => boxes.forEach((box) => {
    clearTimeout(visible.get(box));
    watcher.unobserve(box);
    document.hidden || watcher.observe(box);
  });
  watch();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leave();
    watch();
  });
  addEventListener("pagehide", leave);
})();

// Tells the edge what was seen: an exposure once half of a slot (or of the window) was visible
// for a second (or the slot's data-exposure-ms), a click when a link in it is followed, in this
// tab or in another.  The page never notices: it keeps its handlers, and no error reaches it.
(() => {
  "use strict";
  const BEACON = "/_proffer/beacon", TYPE = "application/cloudevents-batch+json";
  const AGAIN = [408, 429];
  const HERE = Symbol.for("proffer.page");
  if (document[HERE]) return; // two copies would tell everything twice
  document[HERE] = true;

  const quietly = (act) => (...given) => { try { return act(...given); } catch { /* ours alone */ } };
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

  const post = async (batch) => {
    const { status } = await fetch(BEACON, {
      method: "POST", body: JSON.stringify(batch), headers: { "Content-Type": TYPE }, keepalive: true,
    });
    return status < 500 && !AGAIN.includes(status);
  };

  // While the page stays, it tries again.
  const send = async () => {
    timer = 0;
    const batch = queue.splice(0, 50);
    const done = !batch.length || await post(batch).catch(() => false);
    failed = done ? 0 : failed + 1;
    if (failed && failed < 6) queue.unshift(...batch);
    if (queue.length) timer ||= setTimeout(send, 2000 << failed);
  };
  const leave = quietly(() => {
    while (queue.length) {
      const batch = queue.splice(0, 50);
      const blob = () => new Blob([JSON.stringify(batch)], { type: TYPE });
      quietly(() => navigator.sendBeacon(BEACON, blob()))() || post(batch).catch(() => {});
    }
  });

  // A right click opens a menu; only the primary and the middle button follow a link.
  const clicked = (slot) => quietly((event) => {
    const followed = event.type === "click" || event.button === 1;
    if (followed && event.target.closest("a")) tell(slot, "click");
  });

  const visible = new Map(), boxes = new Map();
  const seen = quietly((box) => {
    watcher.unobserve(box);
    tell(boxes.get(box), "exposure");
    boxes.delete(box);
  });
  const look = quietly(({ target, isIntersecting, intersectionRatio, intersectionRect }) => {
    clearTimeout(visible.get(target));
    const half = intersectionRatio >= 0.5 || intersectionRect.height >= innerHeight / 2;
    if (!isIntersecting || !half || document.hidden || !boxes.has(target)) return;
    const wait = parseFloat(boxes.get(target).dataset.exposureMs);
    visible.set(target, setTimeout(seen, wait >= 0 ? wait : 1000, target));
  });
  let watcher;
  // Watching anew tells what is visible now; in the background nothing is.
  const watch = quietly(() => boxes.forEach((slot, box) => {
    clearTimeout(visible.get(box));
    watcher.unobserve(box);
    document.hidden || watcher.observe(box);
  }));

  quietly(() => {
    watcher = new IntersectionObserver((entries) => entries.forEach(look), {
      threshold: [0, 0.1, 0.2, 0.3, 0.4, 0.5],
    });
    for (const slot of document.querySelectorAll("proffer-slot[data-decision]")) {
      slot.addEventListener("click", clicked(slot));
      slot.addEventListener("auxclick", clicked(slot));
      boxes.set(slot.firstElementChild || slot, slot);
    }
    watch();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) leave();
      watch();
    });
    addEventListener("pagehide", leave);
  })();
})();

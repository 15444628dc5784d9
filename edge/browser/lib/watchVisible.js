// Calls back once half of an element (or, of a large one, half of the window) was visible for a
// while.  In the background nothing is visible.

const quietly = (act) => (...given) => { try { return act(...given); } catch { /* ours alone */ } };

export const watchVisible = () => {
  const boxes = new Map(); // element -> { wait_ms, seen, timer }
  let watcher;
  const forget = (box) => {
    clearTimeout(boxes.get(box)?.timer);
    boxes.delete(box);
    watcher?.unobserve(box);
  };
  const look = quietly(({ target, isIntersecting, intersectionRatio, intersectionRect }) => {
    const watched = boxes.get(target);
    clearTimeout(watched?.timer);
    const half = intersectionRatio >= 0.5 || intersectionRect.height >= innerHeight / 2;
    if (!watched || !isIntersecting || !half || document.hidden) return;
    watched.timer = setTimeout(quietly(() => {
      forget(target);
      watched.seen();
    }), watched.wait_ms);
  });
  const watchAnew = quietly(() => boxes.forEach(({ timer }, box) => {
    clearTimeout(timer);
    watcher.unobserve(box);
    if (!document.hidden) watcher.observe(box);
  }));
  quietly(() => {
    const threshold = [0, 0.1, 0.2, 0.3, 0.4, 0.5];
    watcher = new IntersectionObserver((entries) => entries.forEach(look), { threshold });
    document.addEventListener("visibilitychange", watchAnew);
  })();
  return {
    watch: quietly((box, wait_ms, seen) => {
      boxes.set(box, { wait_ms, seen });
      if (!document.hidden) watcher.observe(box);
    }),
    forget: quietly(forget),
  };
};

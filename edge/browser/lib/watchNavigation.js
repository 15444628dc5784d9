// Calls back when a single-page shop goes to another page: another path or query, not another hash.

export const watchNavigation = (went) => {
  let at = location.pathname + location.search;
  const look = () => {
    const now = location.pathname + location.search;
    if (now === at) return;
    at = now;
    went();
  };
  if (globalThis.navigation) navigation.addEventListener("currententrychange", look);
  else {
    for (const name of ["pushState", "replaceState"]) {
      const own = history[name];
      history[name] = function (...given) {
        const result = own.apply(this, given);
        look();
        return result;
      };
    }
    addEventListener("popstate", look);
  }
};

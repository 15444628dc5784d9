// The head snippet: stands inline behind the settings and the kernel script's tag
//
//   <script type="application/json" id="proffer"> ... </script>
//   <script id="proffer-kernel" src="..." integrity="..." async blocking="render" fetchpriority="high"></script>
//
// and does three things.  It reserves the slots' boxes, by a style sheet that no security policy
// objects to and that yields to every rule of the page's own.  And it lets the browser hold the
// first paint for the kernel only as long as that can be of use: not at all where there is no
// bundle to decide with, else `wait_ms`.  Where it is held, it asks for cookies and storage at once:
// the first to do so waits for another process, and now only the network is waited for anyway.
(() => {
  const script = document.getElementById("proffer-kernel");
  const release = () => script?.removeAttribute("blocking");
  try {
    const said = JSON.parse(document.getElementById("proffer").textContent);
    const atHand = said.bundle || localStorage["proffer.bundle"];
    const mayDecide = atHand && said.manifest;
    if (mayDecide) setTimeout(release, said.wait_ms ?? 150);
    else release();
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(":where(proffer-slot){display:block}" + Object.entries(said.boxes ?? {}).map(([name, height]) =>
      `:where(proffer-slot[placement=${JSON.stringify(name)}]){min-height:${+height}px}`).join(""));
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    if (script && mayDecide) try { // the kernel script finds the cookies here: each look waits again
      document.getElementById("proffer").cookies = document.cookie;
      localStorage.length;
    } catch { /* a sandboxed frame */ }
  } catch { release(); }
})();

// Fetches the live part of the page every two seconds.  Without it the page is complete,
// only as old as its last load.
const EVERY_MS = 2000;
const QUIET_MS = 3000; // a hand on the mouse shall not have the button pulled from under it

const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
let pressed = 0;

addEventListener("pointerdown", () => {
  pressed = Date.now();
});

function isBusy() {
  const focus = document.activeElement;
  const inForm = focus && live.contains(focus) && focus.closest("form");
  return document.hidden || inForm || Date.now() - pressed < QUIET_MS;
}

async function refresh() {
  const answer = await fetch("/console/live", { cache: "no-store" });
  if (answer.status === 401) location.reload(); // the login has ended
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (isBusy()) return;
  live.replaceChildren(...fresh.body.childNodes);
  pulse.textContent = live.querySelector("[data-now]")?.dataset.now ?? "";
  pulse.classList.remove("lost");
}

async function loop() {
  if (!isBusy()) {
    try {
      await refresh();
    } catch {
      pulse.textContent = "connection lost; trying again";
      pulse.classList.add("lost");
    }
  }
  setTimeout(loop, EVERY_MS);
}

setTimeout(loop, EVERY_MS);

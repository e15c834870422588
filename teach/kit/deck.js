// Keys: arrows, page up and down, space, Home, End; n notes below, s notes in a window, d dark, p print.
const slides = [...document.querySelectorAll(".slide")];
let here = 0, notes = null;

function show(number) {
  here = Math.min(Math.max(number, 0), slides.length - 1);
  slides.forEach((slide, i) => slide.classList.toggle("here", i === here));
  history.replaceState(null, "", "#" + (here + 1));
  tell();
}

function forward() {
  // What waits on this slide comes before the next one.
  const waiting = slides[here].querySelector(".waits:not(.shown)");
  if (waiting) waiting.classList.add("shown");
  else show(here + 1);
}

function back() {
  const shown = [...slides[here].querySelectorAll(".waits.shown")].pop();
  if (shown) shown.classList.remove("shown");
  else show(here - 1);
}

function tell() {
  if (!notes || notes.closed) return;
  const said = slides[here].querySelector(".notes");
  const next = slides[here + 1]?.querySelector("h1")?.textContent ?? "the end";
  const page = notes.document;
  page.title = "Notes " + (here + 1) + " / " + slides.length;
  page.body.style.cssText = "font: 1.3rem/1.4 sans-serif; margin: 1.5rem; max-width: 45rem";
  page.body.innerHTML = "<p style='color:gray'></p><div></div>";
  page.body.firstChild.textContent = page.title + ". Next: " + next;
  page.body.lastChild.innerHTML = said ? said.innerHTML : "";
}

function dark() {
  const root = document.documentElement;
  const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = {
    ArrowRight: forward, ArrowDown: forward, PageDown: forward, " ": forward,
    ArrowLeft: back, ArrowUp: back, PageUp: back,
    Home: () => show(0), End: () => show(slides.length - 1),
    n: () => document.body.classList.toggle("with-notes"), d: dark, p: () => print(),
    s: () => { notes = open("", "notes", "width=800,height=600"); notes.onkeydown = press; tell(); },
  };
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
}

addEventListener("keydown", press);
addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1));
// A finger: the right part of the screen goes on, the left tenth goes back.
addEventListener("click", (event) => {
  if (event.target.closest("a, summary, button")) return;
  event.clientX < innerWidth / 10 ? back() : forward();
});
show((Number(location.hash.slice(1)) || 1) - 1);

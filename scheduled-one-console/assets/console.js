// Everything works without this file. With it, times are also those of the visitor, pages follow the store, a dialog
// asks before something changes, and the theme can be switched.
"use strict";

const page = document.documentElement;

// A browser that keeps nothing (cookies are blocked) throws: then nothing was chosen, and nothing is kept.
function kept(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function keep(name, value) {
  try { localStorage.setItem(name, value); } catch { /* It holds until the page is left. */ }
}

// The theme: that of the system, unless the visitor chose one.
const chosen = kept("scheduled-one-theme");
if (chosen) page.dataset.theme = chosen;

function addThemeSwitch() {
  const place = document.querySelector("[data-theme-switch]");
  if (!place) return;
  const button = document.createElement("button");
  button.type = "button";
  const isDark = () => page.dataset.theme
    ? page.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const show = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    page.dataset.theme = isDark() ? "light" : "dark";
    keep("scheduled-one-theme", page.dataset.theme);
    show();
  });
  show();
  place.append(button);
}

// Times in the visitor's zone in addition to those of the job.
function addLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.title = `${time.title ? time.title + "\n" : ""}here: ${at.toLocaleString()}`;
  }
}

// How far instants are from now goes on while the page is open, by the clock of the console that made it.
let ahead = 0;

function setClock(root) {
  const now = Number(root.querySelector("main")?.dataset.now);
  if (now) ahead = now - Date.now();
}

function duration(ms) {
  const units = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];
  const at = units.findIndex(([unit]) => ms >= unit);
  const [unit, word] = units[at];
  const first = `${Math.floor(ms / unit)} ${word}`;
  const smaller = units[at + 1];
  return smaller && ms % unit >= smaller[0]
    ? `${first} ${Math.floor(ms % unit / smaller[0])} ${smaller[1]}`
    : first;
}

function showDistances() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const left = new Date(time.dateTime).getTime() - Date.now() - ahead;
    if (Number.isNaN(left)) continue;
    const far = Math.abs(left) < 1000 ? "now" : duration(Math.abs(left));
    time.textContent = far === "now" ? far : left > 0 ? `in ${far}` : `${far} ago`;
  }
}

// What tells an element from the others of a page, and is the same in the page of a moment later.
function mark(element) {
  const form = element.form ?? element.closest("details")?.querySelector("form");
  const address = element.getAttribute("href");
  return [element.tagName, element.id, element.getAttribute("name"), form?.getAttribute("action"),
    address ?? element.textContent].join(" ");
}

// Takes the focus of an element that is about to be replaced to the one that comes in its place.
function keepFocus(root) {
  const focused = document.activeElement;
  if (!root.contains(focused)) return () => {};
  const wanted = mark(focused);
  const same = () => [...root.querySelectorAll(focused.tagName)].filter((it) => mark(it) === wanted);
  const at = same().indexOf(focused);
  return () => {
    const there = same();
    const next = there[Math.min(at, there.length - 1)] ?? document.getElementById("content");
    next.focus({ preventScroll: true });
  };
}

// Forms that change something ask first. The text says what will happen; it comes with the form.
function askFirst(root) {
  for (const form of root.querySelectorAll("form[data-ask]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.asked) return;
      event.preventDefault();
      ask(form.dataset.ask, event.submitter, () => {
        form.dataset.asked = "yes";
        form.requestSubmit(event.submitter);
      });
    });
  }
}

function ask(text, submitter, go) {
  const dialog = document.createElement("dialog");
  const words = document.createElement("p");
  words.textContent = text;
  const buttons = document.createElement("div");
  buttons.className = "actions";
  const yes = document.createElement("button");
  yes.type = "button";
  yes.className = "main";
  yes.textContent = submitter?.textContent ?? "Go on";
  const no = document.createElement("button");
  no.type = "button";
  no.textContent = "Leave it";
  buttons.append(yes, no);
  dialog.append(words, buttons);
  dialog.setAttribute("aria-label", "Please confirm");
  document.body.append(dialog);
  const close = () => { dialog.close(); dialog.remove(); submitter?.focus(); };
  yes.addEventListener("click", () => { close(); go(); });
  no.addEventListener("click", close);
  dialog.addEventListener("cancel", close);
  dialog.showModal();
  no.focus();
}

// The notice of what was just done is in the page with this address. The address without it is what is loaded again,
// and what the page shows once the notice was there to be read: it may not be true any more.
const arrival = new URL(location.href);
const ASK_EVERY = 10000;

function dropNotice() {
  const address = new URL(arrival);
  address.searchParams.delete("done");
  if (address.href !== arrival.href) history.replaceState(history.state, "", address);
}

function addressNow() {
  return performance.now() < ASK_EVERY ? arrival.href.split("#")[0] : location.href;
}

// Live: the server says that something changed in what the page shows, and that part of it is fetched again. No event
// says that a row, a node or a shard is new, and a proxy may cut events: the page also asks every ten seconds.
function follow() {
  const live = document.querySelector("[data-live]");
  const place = document.querySelector("[data-live-switch]");
  if (!live || !place) return;
  const button = document.createElement("button");
  button.type = "button";
  place.append(button);
  let source = null, timer = null, refreshing = false, again = false, postponed = false;
  let on = kept("scheduled-one-live") !== "off";

  function isInUse() {
    const focused = document.activeElement;
    return live.contains(focused) && focused.matches("input, select, textarea")
      || live.querySelector("details[open]:not([data-shown])") !== null
      || document.querySelector("dialog[open]") !== null;
  }

  function left() {
    if (postponed) setTimeout(refresh, 300);
  }

  async function refresh() {
    if (refreshing) { again = true; return; }
    // Nobody loses what they are about to send: the page is fetched again when the form is left.
    postponed = isInUse();
    if (postponed) return;
    refreshing = true;
    try {
      const reply = await fetch(addressNow(), { headers: { "x-part": "live" } });
      // 503 is the page of a store that is away: it is followed as well.
      if (reply.ok || reply.status === 503) {
        const answer = new DOMParser().parseFromString(await reply.text(), "text/html");
        const next = answer.querySelector("[data-live]");
        if (next) {
          const focus = keepFocus(live);
          setClock(answer);
          live.replaceChildren(...next.childNodes);
          wire(live);
          focus();
          followNow(next.dataset.live);
        }
      }
    } catch {
      // The next event, or the next turn of the timer, tries again.
    }
    refreshing = false;
    if (again) { again = false; refresh(); }
  }

  // The page may show other jobs than before. A stream of the same jobs knows what it has said, and the page of a store
  // that is away follows what was followed.
  function followNow(events) {
    const jobs = (address) => new URL(address, location.href).searchParams.get("jobs");
    const now = jobs(events), before = jobs(live.dataset.live);
    if (now === null) return;
    live.dataset.live = events;
    if (now !== before && source) start();
  }

  function stop() {
    source?.close();
    source = null;
    clearInterval(timer);
    timer = null;
  }

  function start() {
    stop();
    if (!on || document.hidden) return;
    source = new EventSource(live.dataset.live);
    source.addEventListener("change", refresh);
    timer = setInterval(refresh, ASK_EVERY);
  }

  function show() {
    button.textContent = on ? "Live: on" : "Live: off";
    button.setAttribute("aria-pressed", String(on));
  }

  button.addEventListener("click", () => {
    on = !on;
    keep("scheduled-one-live", on ? "on" : "off");
    show();
    start();
    if (on) refresh();
  });
  document.addEventListener("visibilitychange", () => { start(); if (on && !document.hidden) refresh(); });
  addEventListener("pagehide", stop);
  live.addEventListener("toggle", left, true);
  live.addEventListener("focusout", left);
  show();
  start();
}

function wire(root) {
  addLocalTimes(root);
  askFirst(root);
}

document.addEventListener("DOMContentLoaded", () => {
  setClock(document);
  dropNotice();
  addThemeSwitch();
  wire(document);
  follow();
  setInterval(showDistances, 30000);
  document.addEventListener("visibilitychange", showDistances);
});

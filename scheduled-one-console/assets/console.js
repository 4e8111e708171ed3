// Everything works without this file. With it, times are also those of the visitor, pages follow the store, a dialog
// asks before something changes, and the theme can be switched.
"use strict";

const page = document.documentElement;

// The theme: that of the system, unless the visitor chose one.
const chosen = localStorage.getItem("scheduled-one-theme");
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
    localStorage.setItem("scheduled-one-theme", page.dataset.theme);
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

// Live: the server says that something changed, and the part of the page that shows it is fetched again. Without
// events (a proxy may cut them) the page asks every ten seconds.
function follow() {
  const live = document.querySelector("[data-live]");
  const place = document.querySelector("[data-live-switch]");
  if (!live || !place) return;
  const button = document.createElement("button");
  button.type = "button";
  place.append(button);
  let source = null, timer = null, refreshing = false, again = false, postponed = false;
  let on = localStorage.getItem("scheduled-one-live") !== "off";

  function isInUse() {
    const focused = document.activeElement;
    return live.contains(focused) && focused.matches("input, select, textarea")
      || live.querySelector("details[open]") !== null || document.querySelector("dialog[open]") !== null;
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
      const reply = await fetch(location.href, { headers: { "x-part": "live" } });
      // 503 is the page of a store that is away: it is followed as well.
      if (reply.ok || reply.status === 503) {
        const next = new DOMParser().parseFromString(await reply.text(), "text/html").querySelector("[data-live]");
        if (next) {
          const focused = document.activeElement?.id;
          live.replaceChildren(...next.childNodes);
          wire(live);
          if (focused) document.getElementById(focused)?.focus();
        }
      }
    } catch {
      // The next event, or the next turn of the timer, tries again.
    }
    refreshing = false;
    if (again) { again = false; refresh(); }
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
    source.addEventListener("open", () => { clearInterval(timer); timer = null; });
    source.addEventListener("error", () => { timer ??= setInterval(refresh, 10000); });
  }

  function show() {
    button.textContent = on ? "Live: on" : "Live: off";
    button.setAttribute("aria-pressed", String(on));
  }

  button.addEventListener("click", () => {
    on = !on;
    localStorage.setItem("scheduled-one-live", on ? "on" : "off");
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
  addThemeSwitch();
  wire(document);
  follow();
});

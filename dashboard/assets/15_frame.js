/* The frame: navigation by groups that keep their state, as a drawer where the window is narrow; which page is shown; the shift that runs. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const html = document.documentElement;
  const KEPT = "leadhand_navigation";
  const narrow = window.matchMedia("(max-width: 75rem)"); // as in leadhand.css
  const kept = (() => { try { return JSON.parse(localStorage.getItem(KEPT)) || {}; } catch { return {}; } })();
  const keep = (name, value) => { kept[name] = value; try { localStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* private windows: forgotten with the tab */ } };
  let shown = null; // what the server said of the page: title, entry, place

  /* navigation */
  const nav = () => document.getElementById("nav"), button = () => document.getElementById("nav-button");
  const isOpen = () => (narrow.matches ? html.classList.contains("nav-open") : !html.classList.contains("nav-folded"));
  function arrange() { // what the drawer covers is out of reach while it is open
    const drawn = narrow.matches && html.classList.contains("nav-open");
    for (const id of ["page", "crumbs"]) { const element = document.getElementById(id); if (element) element.inert = drawn; }
    if (button()) button().setAttribute("aria-expanded", String(isOpen()));
  }
  function setOpen(open, focus) {
    if (narrow.matches) html.classList.toggle("nav-open", open);
    else { html.classList.toggle("nav-folded", !open); keep("folded", !open); }
    arrange();
    if (!narrow.matches || !focus) return;
    const first = open ? nav().querySelector("a.here") || nav().querySelector("a.item, summary") : button();
    if (first) first.focus();
  }
  html.classList.toggle("nav-folded", kept.folded === true);
  narrow.addEventListener("change", () => { html.classList.remove("nav-open"); arrange(); });
  function mark() {
    const list = nav();
    if (!list || !shown) return;
    for (const item of list.querySelectorAll("a.item")) {
      const here = item.getAttribute("href") === shown.entry;
      item.classList.toggle("here", here);
      if (here) item.setAttribute("aria-current", "page"); else item.removeAttribute("aria-current");
    }
    list.querySelectorAll("details").forEach((group, place) => {
      const wish = kept["group " + group.dataset.group];
      group.open = Boolean(group.querySelector(".here")) || (wish === undefined ? place === 0 : wish);
    });
    const here = list.querySelector(".here");
    if (here) here.scrollIntoView({ block: "nearest" });
  }
  lh.whenPresent("#nav", (list) => {
    mark();
    arrange();
    list.addEventListener("click", (event) => {
      const head = event.target.closest("summary");
      if (head) keep("group " + head.parentElement.dataset.group, !head.parentElement.open); // it turns after this
      else if (narrow.matches && event.target.closest("a")) setOpen(false, false);
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      const all = [...list.querySelectorAll("a, summary")].filter((element) => element.offsetParent);
      const next = all[all.indexOf(document.activeElement) + step];
      if (next) { next.focus(); event.preventDefault(); }
    });
  });
  addEventListener("click", (event) => {
    if (!event.target.closest) return;
    if (event.target.closest("#nav-button")) setOpen(!isOpen(), true);
    else if (event.target.closest(".nav-curtain")) setOpen(false, true);
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape" && narrow.matches && isOpen()) setOpen(false, true); });

  /* the shift that runs at the place shown: asked for once for a day and a half, counted down here */
  const HOUR_US = 3600e6;
  const shifts = new Map(); // place -> {from, until, list}
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: lh.zone, hour: "2-digit", minute: "2-digit" });
  const left = (us) => { const minutes = Math.ceil(us / 60e6); return minutes < 60 ? lh.say("{n} min", { n: minutes }) : lh.say("{h} h {m} min", { h: Math.floor(minutes / 60), m: minutes % 60 }); };
  async function ask(place, now) {
    const known = { until: now + 24 * HOUR_US, list: [] };
    shifts.set(place, known);
    const query = new URLSearchParams({ from_us: Math.round(now - HOUR_US), to_us: Math.round(now + 36 * HOUR_US), equipment: place });
    try {
      const answer = await fetch("/api/v1/shifts?" + query, { headers: { Accept: "application/json" } });
      known.list = answer.ok ? await answer.json() : [];
      if (!answer.ok) known.until = now + HOUR_US / 60;
    } catch { known.until = now + HOUR_US / 60; }
    sayShift();
  }
  function sayShift() {
    const words = document.getElementById("shift-words");
    if (!words || !shown || !lh.serverMs) return;
    const now = lh.now() * 1000, known = shifts.get(shown.place);
    if (!known || now > known.until) { ask(shown.place, now); return; }
    const runs = known.list.find((one) => one.from_us <= now && now < one.to_us), next = known.list.find((one) => one.from_us > now);
    const pause = runs && runs.breaks.find(([from, to]) => from <= now && now < to);
    let said = "";
    if (pause) said = lh.say("{shift} · break until {time}", { shift: runs.name, time: clock.format(pause[1] / 1000) });
    else if (runs) said = lh.say("{shift} · {span} left", { shift: runs.name, span: left(runs.to_us - now) });
    else if (next) said = lh.say("none until {time}", { time: clock.format(next.from_us / 1000) });
    if (words.textContent !== said) words.textContent = said;
    words.parentElement.classList.toggle("hidden", said === "");
  }
  setInterval(sayShift, 1000);

  window.dash_clientside = Object.assign(window.dash_clientside || {}, {
    leadhand: {
      shown(page) {
        if (page) { shown = page; document.title = page.title; mark(); sayShift(); }
        return window.dash_clientside.no_update;
      },
    },
  });
})();

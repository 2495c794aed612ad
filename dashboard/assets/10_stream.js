/* One stream of live values per tab (dashboard/live.py). Other scripts say which topics they want and are told of each message. */
(function () {
  "use strict";
  const RETRY_MS = 2000, SILENT_MS = 5000, OLD_MS = 5000;
  const holder = document.getElementById("leadhand-texts");
  if (!holder) return; // not one of our pages
  const texts = JSON.parse(holder.textContent);
  const html = document.documentElement;
  const lh = (window.leadhand = {
    latest: new Map(), // signal id -> {time_ms, value, status, text, state}
    serverMs: 0, // the server's clock in the last message
    language: html.lang === "zh" ? "zh-CN" : "en-GB",
    zone: html.dataset.zone || "UTC",
    say(message, words) {
      let said = texts[message] || message;
      for (const key in words || {}) said = said.split("{" + key + "}").join(words[key]);
      return said;
    },
    now() { const early = window.leadhandEarly && window.leadhandEarly.clock; return lh.serverMs ? lh.serverMs + (performance.now() - receivedAt) : early ? early.serverMs + (performance.now() - early.at) : Date.now(); },
    number(value) {
      if (value === null || value === undefined) return "–";
      const size = Math.abs(value);
      if (size !== 0 && (size >= 1e9 || size < 1e-4)) return value.toExponential(3);
      const digits = size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4;
      return formats[digits + (size >= 10000 ? 10 : 0)].format(value);
    },
    age(ms) {
      if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
      const s = Math.max(0, ms) / 1000;
      if (s < 120) return lh.say("{n} s", { n: s < 10 ? s.toFixed(1) : Math.round(s) });
      if (s < 7200) return lh.say("{n} min", { n: Math.round(s / 60) });
      if (s < 172800) return lh.say("{n} h", { n: Math.round(s / 3600) });
      return lh.say("{n} d", { n: Math.round(s / 86400) });
    },
    make(tag, className, text) {
      const element = document.createElement(tag);
      if (className) element.className = className;
      if (text !== undefined) element.textContent = text; // never HTML: names and texts come from machines
      return element;
    },
    /* calls start(element) for each element that appears, and what start returned when it is gone */
    whenPresent(selector, start) {
      const known = new Map();
      const look = () => {
        for (const [element, stop] of known) if (!element.isConnected) { known.delete(element); if (stop) stop(); }
        for (const element of document.querySelectorAll(selector)) if (!known.has(element)) { known.set(element, null); known.set(element, start(element) || null); }
      };
      lookers.push(look);
      look();
    },
    /* what happens when the session has ended; the andon board has its own way */
    leave() { location.reload(); },
    /* tells listener(message) of each message of a topic; returns what ends it. One that needs the whole state at first has the stream opened anew where it carries the topic already. */
    watch(topic, listener, needsWhole = false) {
      const entry = { topic, listener };
      watchers.add(entry);
      if (needsWhole && topics.split(",").includes(topic)) renew = true;
      reopenSoon();
      return () => { watchers.delete(entry); reopenSoon(); };
    },
  });
  const formats = {};
  for (const digits of [1, 2, 3, 4]) for (const grouped of [false, true]) formats[digits + (grouped ? 10 : 0)] = new Intl.NumberFormat(lh.language, { maximumFractionDigits: digits, useGrouping: grouped });
  const lookers = [], watchers = new Set();
  let scheduled = false;
  new MutationObserver(() => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => { scheduled = false; for (const look of lookers) look(); });
  }).observe(html, { childList: true, subtree: true });

  let stream = null, topics = "", renew = false, timer = null, receivedAt = performance.now(), readMs = null, database = "ok";
  function reopenSoon() { if (timer === null) timer = setTimeout(reopen, 20); }
  function reopen() {
    timer = null;
    const wanted = [...new Set([...watchers].map((entry) => entry.topic))].sort().slice(0, 64).join(",") || "overview";
    if (stream && !renew && wanted === topics && stream.readyState !== EventSource.CLOSED) return;
    topics = wanted;
    renew = false;
    lh.latest.clear();
    open();
  }
  function open() {
    if (stream) stream.close();
    stream = new EventSource("/live?topics=" + encodeURIComponent(topics));
    stream.onmessage = take;
    stream.onerror = () => { dispatchEvent(new Event("leadhand-stream-broken")); if (stream.readyState === EventSource.CLOSED) again(); };
  }
  let waiting = null;
  function again() { // the browser tries by itself only while it is CONNECTING
    if (waiting !== null) return;
    waiting = setTimeout(async () => {
      waiting = null;
      try {
        const answer = await fetch("/live", { method: "HEAD", cache: "no-store" });
        if (answer.status === 401) lh.leave();
      } catch { /* still away: the next turn asks again */ }
      open();
    }, RETRY_MS);
  }
  function take(event) {
    const message = JSON.parse(event.data);
    if (message.topic === "session") { lh.leave(); return; }
    receivedAt = performance.now();
    lh.serverMs = message.time_us / 1000;
    readMs = message.read_us === null ? null : message.read_us / 1000;
    database = message.database;
    const signals = message.signals;
    if (signals) for (let i = 0; i < signals.id.length; i++) lh.latest.set(signals.id[i], { time_ms: signals.time_us[i] === null ? null : signals.time_us[i] / 1000, value: signals.value[i], status: signals.status[i], text: signals.text[i], state: signals.state[i] });
    for (const entry of watchers) if (entry.topic === message.topic || message.topic === "clock") entry.listener(message);
    if (message.topic === "clock") look();
  }
  function look() {
    const silent = performance.now() - receivedAt;
    const lost = silent > SILENT_MS;
    const read = readMs === null ? null : Math.max(0, lh.now() - readMs);
    const old = read === null ? null : Math.max(read, newestAge());
    const away = !lost && lh.serverMs > 0 && (database === "away" || (read !== null && read > OLD_MS));
    const words = lost ? lh.say("No live data: the connection to the server is lost. It is tried again by itself.") : away ? lh.say("No live data: the database is away. It is tried again by itself.") : "";
    html.classList.toggle("stream-lost", words !== "");
    const place = document.getElementById("stale-words");
    if (place && place.textContent !== words) place.textContent = words;
    const age = document.getElementById("data-age");
    if (age) { age.textContent = old === null ? "…" : lh.age(old); age.parentElement.classList.toggle("lost", words !== ""); }
    const clock = document.getElementById("plant-clock");
    if (clock && lh.serverMs) clock.textContent = timeOfDay.format(lh.now());
    return silent;
  }
  function newestAge() { // of the values on this page; 0 where it shows none
    let newest = -Infinity;
    for (const sample of lh.latest.values()) if (sample.time_ms !== null && sample.time_ms > newest) newest = sample.time_ms;
    return newest === -Infinity ? 0 : lh.now() - newest;
  }
  const timeOfDay = new Intl.DateTimeFormat("en-GB", { timeZone: lh.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  setInterval(() => {
    const silent = look();
    if (silent > 3 * SILENT_MS && stream && stream.readyState === EventSource.OPEN) { receivedAt = performance.now() - SILENT_MS - 1; open(); } // open but dumb: a dead network
  }, 1000);
  addEventListener("pagehide", () => stream && stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  setTimeout(reopenSoon, 500); // pages that watch nothing still show the age of data

  /* language and theme are cookies, so that the server draws the right page from the start */
  const remember = (name, value) => { document.cookie = name + "=" + value + ";path=/;max-age=31536000;samesite=lax"; };
  addEventListener("click", async (event) => {
    const tool = event.target.closest && event.target.closest("[data-language],[data-theme],[data-logout]");
    if (!tool) return;
    if (tool.dataset.logout) {
      const answer = await fetch("/logout", { method: "POST" });
      location.href = answer.status === 200 ? (await answer.json()).next : "/login";
      return;
    }
    if (tool.dataset.language) remember("leadhand_language", tool.dataset.language);
    else remember("leadhand_theme", tool.dataset.theme);
    location.reload();
  });
})();

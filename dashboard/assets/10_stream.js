/* One stream of live values per tab. Other scripts ask `leadhand` for values and are told of each message. */
(function () {
  "use strict";
  const RETRY_MS = 2000, SILENT_MS = 6000;
  const holder = document.getElementById("leadhand-texts");
  const texts = holder ? JSON.parse(holder.textContent) : {};
  const listeners = new Set();
  const lh = (window.leadhand = {
    latest: new Map(), // signal id -> {time_ms, value, status, text}
    message: null, // the last whole message
    receivedAt: 0, // performance.now() of the last message
    serverMs: 0, // the server's clock in the last message
    language: document.documentElement.lang === "zh" ? "zh-CN" : "en-GB",
    zone: document.documentElement.dataset.zone || "UTC",
    say(message, words) {
      let said = texts[message] || message;
      for (const key in words || {}) said = said.replace("{" + key + "}", words[key]);
      return said;
    },
    onMessage(listener) { listeners.add(listener); if (lh.message) listener(lh.message); return () => listeners.delete(listener); },
    now() { return lh.serverMs ? lh.serverMs + (performance.now() - lh.receivedAt) : Date.now(); },
    number(value, digits) {
      if (value === null || value === undefined) return "–";
      if (!Number.isFinite(value)) return String(value);
      const size = Math.abs(value);
      if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(3);
      return new Intl.NumberFormat(lh.language, { maximumFractionDigits: digits === undefined ? decimals(size) : digits, useGrouping: size >= 10000 }).format(value);
    },
    age(ms) {
      if (ms === null || ms === undefined || !Number.isFinite(ms)) return "–";
      const s = Math.max(0, ms) / 1000;
      if (s < 10) return lh.say("{n} s", { n: s.toFixed(1) });
      if (s < 120) return lh.say("{n} s", { n: Math.round(s) });
      if (s < 7200) return lh.say("{n} min", { n: Math.round(s / 60) });
      if (s < 172800) return lh.say("{n} h", { n: Math.round(s / 3600) });
      return lh.say("{n} d", { n: Math.round(s / 86400) });
    },
    make(tag, className, text) {
      const element = document.createElement(tag);
      if (className) element.className = className;
      if (text !== undefined) element.textContent = text;
      return element;
    },
    whenPresent(selector, start) {
      /* calls start(element) for each element that appears; start returns what cleans up, or nothing */
      const known = new Map();
      const look = () => {
        for (const [element, stop] of known) if (!element.isConnected) { known.delete(element); if (stop) stop(); }
        for (const element of document.querySelectorAll(selector)) if (!known.has(element)) { known.set(element, null); known.set(element, start(element) || null); }
      };
      new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });
      look();
    },
  });
  function decimals(size) { return size >= 1000 ? 1 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4; }

  let stream = null, retry = null, lost = false;
  function setLost(now) {
    if (now === lost) return;
    lost = now;
    document.documentElement.classList.toggle("stream-lost", lost);
    const words = document.getElementById("stale-words");
    if (words) words.textContent = lost ? lh.say("No live data: the connection to the server is lost. Trying again by itself.") : "";
  }
  function take(event) {
    const message = JSON.parse(event.data);
    lh.receivedAt = performance.now();
    lh.serverMs = message.time_us / 1000;
    lh.message = message;
    const signals = message.signals;
    if (signals) {
      for (let i = 0; i < signals.id.length; i++) {
        lh.latest.set(signals.id[i], { time_ms: signals.time_us[i] === null ? null : signals.time_us[i] / 1000, value: signals.value[i], status: signals.status[i], text: signals.text ? signals.text[i] : null });
      }
    }
    setLost(false);
    for (const listener of listeners) listener(message);
  }
  function open() {
    retry = null;
    if (stream) stream.close();
    stream = new EventSource("/live");
    stream.onmessage = take;
    stream.onerror = () => { // the browser tries by itself only while the state is CONNECTING
      if (stream.readyState === EventSource.CLOSED) again();
    };
  }
  function again() {
    if (retry !== null) return;
    retry = setTimeout(async () => {
      try {
        const answer = await fetch("/live", { method: "HEAD", cache: "no-store" });
        if (answer.status === 401 || answer.redirected) { location.reload(); return; }
      } catch { /* still away */ }
      open();
    }, RETRY_MS);
  }
  setInterval(() => {
    const silent = performance.now() - lh.receivedAt;
    if (silent > SILENT_MS) { setLost(true); if (silent > 3 * SILENT_MS && (!stream || stream.readyState !== EventSource.CONNECTING)) again(); }
    const age = document.getElementById("data-age");
    if (age) {
      age.textContent = lh.serverMs ? lh.age(newestAge(silent)) : "…";
      age.parentElement.classList.toggle("lost", lost);
    }
    const clock = document.getElementById("plant-clock");
    if (clock) clock.textContent = new Intl.DateTimeFormat(lh.language, { timeZone: lh.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }).format(lh.now());
  }, 1000);
  function newestAge(silent) {
    let newest = -Infinity;
    for (const sample of lh.latest.values()) if (sample.time_ms !== null && sample.time_ms > newest) newest = sample.time_ms;
    return newest === -Infinity ? null : Math.max(lh.now() - newest, silent > SILENT_MS ? silent : 0);
  }
  function needed() { return !!document.getElementById("leadhand-texts"); }
  if (needed()) { lh.receivedAt = performance.now(); open(); }
  addEventListener("pagehide", () => stream && stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });

  /* language and theme are cookies, so that the server draws the right page from the start */
  const remember = (name, value) => { document.cookie = name + "=" + value + ";path=/;max-age=31536000;samesite=lax"; };
  addEventListener("click", (event) => {
    const tool = event.target.closest && event.target.closest("[data-language],[data-theme]");
    if (!tool) return;
    if (tool.dataset.language) remember("leadhand_language", tool.dataset.language);
    else remember("leadhand_theme", tool.dataset.theme);
    location.reload();
  });
})();

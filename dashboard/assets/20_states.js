/* What is normal, per signal and per unit: the words, shapes and bars of overview and equipment pages. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const ORDER = ["normal", "waiting", "stale", "bad", "warning", "critical"];
  const STALE_MS = 10000;

  /* signal: {id, limits: [low_low, low, high, high_high], stale_ms} */
  lh.stateOf = function (signal) {
    const sample = lh.latest.get(signal.id);
    if (!sample || sample.time_ms === null) return { name: "waiting", word: lh.say("no value yet"), sample: null };
    const severity = sample.status >>> 30;
    if (severity >= 2) return { name: "bad", word: lh.say("bad value"), sample };
    if (signal.stale_ms && lh.now() - sample.time_ms > signal.stale_ms) return { name: "stale", word: lh.say("stale"), sample };
    const [ll, l, h, hh] = signal.limits || [];
    const v = sample.value;
    if (v !== null && v !== undefined) {
      if (hh !== null && hh !== undefined && v >= hh) return { name: "critical", word: lh.say("high high"), sample };
      if (ll !== null && ll !== undefined && v <= ll) return { name: "critical", word: lh.say("low low"), sample };
      if (h !== null && h !== undefined && v >= h) return { name: "warning", word: lh.say("high"), sample };
      if (l !== null && l !== undefined && v <= l) return { name: "warning", word: lh.say("low"), sample };
    }
    if (severity === 1) return { name: "stale", word: lh.say("uncertain"), sample };
    return { name: "normal", word: lh.say("normal"), sample };
  };
  function setState(element, name, word) {
    if (element.dataset.now === name + word) return;
    element.dataset.now = name + word;
    element.className = "state " + name;
    element.textContent = word;
  }
  function shown(signal, sample) {
    if (!sample) return "–";
    if (signal.is_text) return sample.text === null ? "–" : sample.text;
    if (sample.value === null && sample.text) return sample.text;
    if (signal.is_bool && sample.value !== null) return sample.value ? lh.say("true") : lh.say("false");
    return lh.number(sample.value);
  }

  /* overview: [data-board] holds {units: [{path, name, href, signals: [...]}]} */
  lh.whenPresent("[data-board]", (board) => {
    const plan = JSON.parse(board.dataset.board);
    const cards = new Map();
    for (const card of board.querySelectorAll("[data-unit]")) cards.set(card.dataset.unit, card);
    const marks = new Map();
    for (const mark of document.querySelectorAll("[data-mark]")) marks.set(mark.dataset.mark, mark);
    return lh.onMessage(() => {
      const exceptions = [];
      const worstBelow = new Map();
      for (const unit of plan.units) {
        let worst = 0, abnormal = 0, newest = -Infinity, worstWord = lh.say("normal"), seen = 0;
        for (const signal of unit.signals) {
          const state = lh.stateOf(signal);
          const rank = ORDER.indexOf(state.name);
          if (state.sample) { seen++; if (state.sample.time_ms > newest) newest = state.sample.time_ms; }
          if (rank > 1) { abnormal++; exceptions.push({ unit, signal, state, rank }); }
          if (rank > worst) { worst = rank; worstWord = state.word; }
        }
        if (unit.signals.length && !seen) { worst = 1; worstWord = lh.say("no value yet"); }
        const card = cards.get(unit.path);
        if (card) {
          const name = ORDER[worst];
          card.className = "card " + name;
          setState(card.querySelector("[data-part=state]"), name, unit.signals.length ? worstWord : lh.say("no signals"));
          card.querySelector("[data-part=count]").textContent = abnormal ? lh.say("{n} of {m} signals abnormal", { n: abnormal, m: unit.signals.length }) : lh.say("{m} signals", { m: unit.signals.length });
          card.querySelector("[data-part=age]").textContent = newest === -Infinity ? "–" : lh.age(lh.now() - newest);
        }
        for (let path = unit.path; path; path = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "") worstBelow.set(path, Math.max(worstBelow.get(path) || 0, worst));
      }
      for (const [path, mark] of marks) { const name = ORDER[worstBelow.get(path) || 0]; const quiet = name === "normal"; mark.className = "mark state " + name; mark.style.visibility = quiet ? "hidden" : ""; mark.setAttribute("aria-label", quiet ? "" : lh.say(name)); }
      showExceptions(exceptions);
    });
  });
  function showExceptions(found) {
    const list = document.getElementById("exceptions");
    if (!list) return;
    const most = 12;
    found.sort((a, b) => b.rank - a.rank || (a.signal.id - b.signal.id));
    const rows = found.slice(0, most).map(({ unit, signal, state }) => {
      const row = lh.make("li");
      row.append(lh.make("span", "state " + state.name, state.word));
      const link = lh.make("a", "wrap", unit.name + " · " + signal.name);
      link.href = unit.href;
      row.append(link);
      row.append(lh.make("span", "number", shown(signal, state.sample) + (signal.unit ? " " + signal.unit : "")));
      row.append(lh.make("span", "number quiet", state.sample ? lh.age(lh.now() - state.sample.time_ms) : "–"));
      return row;
    });
    if (found.length > most) rows.push(lh.make("li", "quiet", lh.say("and {n} more", { n: found.length - most })));
    if (!found.length) rows.push(lh.make("li", "quiet", lh.say("Nothing abnormal.")));
    list.replaceChildren(...rows);
  }

  /* equipment: each [data-value] holds one signal */
  lh.whenPresent("[data-value]", (row) => {
    const signal = JSON.parse(row.dataset.value);
    const part = (name) => row.querySelector("[data-part=" + name + "]");
    const figure = part("figure"), age = part("age"), word = part("state"), pointer = part("pointer"), status = part("status");
    return lh.onMessage(() => {
      const state = lh.stateOf(signal);
      row.className = "value " + state.name;
      const text = shown(signal, state.sample);
      if (figure.textContent !== text) figure.textContent = text;
      setState(word, state.name, state.word);
      age.textContent = state.sample ? lh.age(lh.now() - state.sample.time_ms) : "–";
      if (status && state.sample) status.title = "0x" + (state.sample.status >>> 0).toString(16).toUpperCase().padStart(8, "0");
      if (pointer) {
        const value = state.sample && state.sample.value;
        const known = value !== null && value !== undefined && Number.isFinite(value);
        pointer.style.display = known ? "" : "none";
        if (known) pointer.style.left = Math.min(99.5, Math.max(0.5, (100 * (value - signal.range[0])) / (signal.range[1] - signal.range[0]))) + "%";
      }
    });
  });
})();

/* Words, shapes and bars of the overview and the equipment page. The server judges the states; here they are only shown. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  /* state of the server -> look (leadhand.css) and word */
  const LOOKS = {
    normal: ["normal", "normal"], no_value: ["waiting", "no value yet"], stale: ["stale", "stale"], uncertain: ["stale", "uncertain"],
    low: ["warning", "low"], high: ["warning", "high"], low_low: ["critical", "low low"], high_high: ["critical", "high high"], bad: ["bad", "bad value"],
  };
  const WORDS = { normal: lh.say("normal"), no_value: lh.say("no value yet"), stale: lh.say("stale"), uncertain: lh.say("uncertain"), low: lh.say("low"), high: lh.say("high"), low_low: lh.say("low low"), high_high: lh.say("high high"), bad: lh.say("bad value") };
  const lookOf = (state) => (LOOKS[state] || LOOKS.uncertain)[0];
  const wordOf = (state) => WORDS[state] || state;
  function setState(element, state) {
    if (element.dataset.now === state) return;
    element.dataset.now = state;
    element.className = "state " + lookOf(state);
    element.textContent = wordOf(state);
  }
  const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  /* overview: [data-board] stands after cards [data-unit] and marks [data-mark] of the tree */
  lh.whenPresent("[data-board]", (board) => {
    const plan = JSON.parse(board.dataset.board);
    const byId = (name) => new Map([...document.querySelectorAll("[data-" + name + "]")].map((element) => [element.dataset[name], element]));
    const cards = byId("unit"), marks = byId("mark");
    const nodes = {};
    let exceptions = [];
    const minis = [...document.querySelectorAll("[data-mini]")].map((row) => ({ row, signal: JSON.parse(row.dataset.mini), figure: row.querySelector("[data-part=figure]"), pointer: row.querySelector("[data-part=pointer]") }));
    const endBars = minis.length ? lh.watch("latest", (message) => { if (message.topic === "latest") for (const each of minis) showMini(each); }) : null;
    const endStates = lh.watch("overview", (message) => {
      Object.assign(nodes, message.equipment || {});
      for (const path in message.equipment || {}) {
        const node = nodes[path], card = cards.get(path), mark = marks.get(path);
        if (card) {
          card.className = "card " + lookOf(node.state);
          setState(card.querySelector("[data-part=state]"), node.state);
          const many = plan.counts[path];
          setText(card.querySelector("[data-part=count]"), node.exceptions ? lh.say("{n} of {m} signals not normal", { n: node.exceptions, m: many }) : lh.say("{m} signals", { m: many }));
        }
        if (mark) {
          const quiet = node.severity === 0;
          mark.className = "mark state " + lookOf(node.state);
          mark.style.visibility = quiet ? "hidden" : "";
          mark.title = quiet ? "" : wordOf(node.state);
        }
      }
      if (message.exceptions) exceptions = message.exceptions;
      showExceptions(plan, exceptions);
    }, true);
    return () => { endStates(); if (endBars) endBars(); };
  });
  function showMini({ row, signal, figure, pointer }) {
    const sample = lh.latest.get(signal.id);
    if (!sample) return;
    row.className = "mini " + lookOf(sample.state);
    setText(figure, sample.value === null ? "–" : lh.number(sample.value) + (signal.unit ? " " + signal.unit : ""));
    showPointer(pointer, sample.value, signal.range);
  }
  function showPointer(pointer, value, range) {
    if (!pointer) return;
    pointer.style.display = value === null ? "none" : "";
    if (value !== null) pointer.style.left = Math.min(99.5, Math.max(0.5, (100 * (value - range[0])) / (range[1] - range[0]))) + "%";
  }
  function showExceptions(plan, found) {
    const list = document.getElementById("exceptions");
    if (!list) return;
    const most = 10;
    const rows = found.slice(0, most).map((one) => {
      const row = lh.make("li");
      row.append(lh.make("span", "state " + lookOf(one.state), wordOf(one.state)));
      const equipment = one.path.slice(0, one.path.lastIndexOf("/")), name = one.path.slice(one.path.lastIndexOf("/") + 1);
      const link = lh.make("a", "wrap", (plan.names[equipment] || equipment) + " · " + name);
      link.href = "/equipment/" + equipment;
      row.append(link, lh.make("span", "number", one.value === null ? "–" : lh.number(one.value) + (plan.units[one.signal] ? " " + plan.units[one.signal] : "")));
      row.append(lh.make("span", "number quiet", one.time_us === null ? "–" : lh.age(lh.now() - one.time_us / 1000)));
      return row;
    });
    if (found.length > most) rows.push(lh.make("li", "quiet", lh.say("and {n} more", { n: found.length - most })));
    if (!found.length) rows.push(lh.make("li", "quiet", lh.say("Nothing: all signals are normal.")));
    list.replaceChildren(...rows);
  }

  /* equipment: each [data-value] below [data-values] shows one signal */
  lh.whenPresent("[data-values]", (board) => {
    const rows = [...board.querySelectorAll("[data-value]")].map((row) => {
      const part = (name) => row.querySelector("[data-part=" + name + "]");
      return { row, signal: JSON.parse(row.dataset.value), figure: part("figure"), age: part("age"), word: part("state"), pointer: part("pointer"), status: part("status") };
    });
    return lh.watch("equipment:" + board.dataset.values, () => { for (const each of rows) showValue(each); });
  });
  function showValue({ row, signal, figure, age, word, pointer, status }) {
    const sample = lh.latest.get(signal.id);
    if (!sample) return;
    const known = sample.value !== null;
    row.className = "value " + lookOf(sample.state);
    setText(figure, signal.type === "boolean" && known ? (sample.value ? lh.say("true") : lh.say("false")) : sample.text !== null ? sample.text : lh.number(sample.value));
    if (sample.text !== null) figure.title = sample.text;
    setState(word, sample.state);
    setText(age, sample.time_ms === null ? "–" : lh.age(lh.now() - sample.time_ms));
    status.title = lh.say("status") + " 0x" + (sample.status >>> 0).toString(16).toUpperCase().padStart(8, "0");
    showPointer(pointer, sample.value, signal.range);
  }

  /* [data-beat] names a store that is given a new number every few seconds while data comes, so that a callback draws its tables again */
  lh.whenPresent("[data-beat]", (element) => {
    let count = 0, last = performance.now();
    return lh.watch("overview", (message) => {
      if (message.topic !== "clock" || performance.now() - last < 1900 || document.hidden) return;
      last = performance.now();
      window.dash_clientside.set_props(element.dataset.beat, { data: ++count });
    });
  });
})();

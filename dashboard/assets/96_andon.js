/* The andon board (/andon), and the calls shown on other pages. Asks for the board again every few seconds, whatever happened before. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const WHOM = { maintenance: lh.say("Maintenance"), material: lh.say("Material"), quality: lh.say("Quality"), lead_hand: lh.say("Lead hand") };
  const setText = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const two = (number) => String(number).padStart(2, "0");
  function timer(ms) { // 4:05, 1:04:05, 2 d 3 h
    const s = Math.max(0, Math.floor(ms / 1000)), h = Math.floor(s / 3600);
    if (h >= 48) return lh.say("{d} d {h} h", { d: Math.floor(h / 24), h: h % 24 });
    return h ? h + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60) : Math.floor(s / 60) + ":" + two(s % 60);
  }
  async function post(path, content) {
    const answer = await fetch("/api/v1/andon/" + path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
    if (!answer.ok) throw new Error(((await answer.json().catch(() => null)) || {}).error || String(answer.status));
  }
  function button(words, act, say) {
    const made = lh.make("button", "tool", words);
    made.type = "button";
    made.addEventListener("click", async (event) => {
      event.stopPropagation();
      made.disabled = true;
      try { await act(); say(""); } catch (error) { say(error.message); } finally { made.disabled = false; }
    });
    return made;
  }
  /* what may be done about a call that stands: "I come", then "Done" */
  function steps(number, answerer, say) {
    const made = answerer ? [] : [button(lh.say("I come"), () => post("calls/" + number + "/answer", {}), say)];
    return [...made, button(lh.say("Done"), () => post("calls/" + number + "/done", {}), say)];
  }

  /* [data-calls]: the calls at a place, on the pages of equipment and the overview */
  lh.whenPresent("[data-calls]", (panel) => {
    const told = JSON.parse(panel.dataset.calls);
    const list = lh.make("ul", "calls-list"), wrong = lh.make("p", "notice wrong");
    wrong.hidden = true;
    const say = (words) => { wrong.hidden = !words; wrong.textContent = words; };
    panel.append(list);
    if (told.may && told.call) panel.append(caller(told.place, say));
    panel.append(wrong);
    panel.hidden = true;
    let ages = [];
    const draw = (calls) => {
      const here = calls.filter((call) => !told.place || (call.equipment + "/").startsWith(told.place + "/"));
      ages = [];
      list.replaceChildren(...here.map((call) => {
        const row = lh.make("li"), age = lh.make("span", "number");
        row.append(lh.make("span", "state " + (call.answerer ? "warning" : "critical"), WHOM[call.whom] || call.whom), age);
        if (call.equipment !== told.place) { const link = lh.make("a", "wrap", call.name); link.href = "/equipment/" + call.equipment; row.append(link); }
        row.append(lh.make("span", "wrap", call.note), lh.make("span", "quiet", call.answerer ? lh.say("{who} comes", { who: call.answerer }) : lh.say("called by {who}", { who: call.caller })));
        if (told.may) row.append(...steps(call.id, call.answerer, say));
        ages.push([age, call.called_us / 1000]);
        return row;
      }));
      panel.hidden = !here.length && !(told.may && told.call);
      tick();
    };
    const tick = () => { for (const [element, since] of ages) setText(element, timer(lh.now() - since)); };
    const clock = setInterval(tick, 1000);
    draw([]);
    const end = lh.watch("andon", (message) => { if (message.calls) draw(message.calls); }, true);
    return () => { clearInterval(clock); end(); };
  });
  function caller(place, say) {
    const form = lh.make("div", "calls-form"), note = lh.make("input");
    note.type = "text"; note.maxLength = 200; note.placeholder = lh.say("What is the matter?"); note.setAttribute("aria-label", lh.say("What is the matter?"));
    form.append(lh.make("span", "quiet", lh.say("Call to this station:")));
    for (const whom in WHOM) form.append(button(WHOM[whom], async () => { await post("calls", { equipment: place, whom, note: note.value }); note.value = ""; }, say));
    form.append(note);
    return form;
  }

  /* the board */
  const holder = document.getElementById("board-told");
  if (!holder) return;
  const ASK_MS = 3000, PATIENCE_MS = 8000, LOST_MS = 6000, PAGE_MS = 12000, HERE_MS = 60000, RELOAD_MS = 60000, DAY_MS = 86400000;
  const told = JSON.parse(holder.textContent);
  const part = (name) => document.getElementById("board-" + name);
  const WHY = { breakdown: lh.say("Breakdown"), waiting: lh.say("Waiting"), alarms: lh.say("Alarm"), joints: lh.say("Joints held"), pictures: lh.say("Pictures to judge"), call: lh.say("Call") };
  const STATES = {
    production: lh.say("producing"), setup: lh.say("setup"), breakdown: lh.say("Breakdown"), minor_stop: lh.say("short stop"), waiting: lh.say("waiting"), maintenance: lh.say("maintained"), idle: lh.say("no order"), off: lh.say("off"), unknown: lh.say("no data"),
    normal: lh.say("normal"), no_value: lh.say("no value yet"), stale: lh.say("stale"), uncertain: lh.say("uncertain"), low: lh.say("low"), high: lh.say("high"), low_low: lh.say("low low"), high_high: lh.say("high high"), bad: lh.say("bad value"),
  };
  const LOOKS = ["normal", "unsure", "some", "now"];
  const began = performance.now();
  let board = null, drawn = "", receivedAt = -Infinity, failed = "", reloadAt = -RELOAD_MS, hereAt = -Infinity, pageAt = 0, ticking = [], page = 0, asking = false;
  const now = () => (board ? board.time_us / 1000 + performance.now() - receivedAt : Date.now());
  window.leadhandBoard = true;
  lh.leave = () => { failed = "session"; show(); }; // a board on the wall shows no login page

  async function ask() {
    if (asking) return;
    asking = true;
    const patience = new AbortController(), giveUp = setTimeout(() => patience.abort(), PATIENCE_MS);
    try {
      const answer = await fetch("/api/v1/andon?" + new URLSearchParams({ place: told.place, language: told.language }), { cache: "no-store", signal: patience.signal });
      if (answer.status === 401 || answer.status === 403) failed = "session";
      else if (answer.status === 503) failed = "database";
      else if (!answer.ok) failed = ((await answer.json().catch(() => null)) || {}).error || "server";
      else {
        board = await answer.json();
        receivedAt = performance.now();
        failed = "";
        if (board.version !== told.version || performance.now() - began > DAY_MS) loadAgain();
      }
    } catch { failed = "server"; } finally { clearTimeout(giveUp); asking = false; }
    show();
    if (!failed) here();
  }
  /* a new version of the page, or a day gone by: loaded again only when the server surely gives it */
  async function loadAgain() {
    if (performance.now() - reloadAt < RELOAD_MS) return;
    reloadAt = performance.now();
    try {
      const answers = await Promise.all([location.href, ...[...document.querySelectorAll("script[src]")].map((script) => script.src)].map((address) => fetch(address, { cache: "no-store" })));
      if (answers.every((answer) => answer.ok) && (await answers[0].text()).includes('id="board-told"')) location.reload();
    } catch { /* the next answer tries again */ }
  }
  function here() { // so that People shows which screens are alive, and the browser keeps their cookie
    if (!told.screen || performance.now() - hereAt < HERE_MS) return;
    hereAt = performance.now();
    fetch("/api/v1/screens/here", { method: "POST" }).catch(() => null);
  }

  function lostWords() {
    const old = board === null ? null : performance.now() - receivedAt;
    const away = board !== null && board.database === "away";
    if (!failed && !away && (old === null || old < LOST_MS)) return "";
    const age = board === null ? "" : " " + lh.say("Shown is how it was {age} ago.", { age: lh.age(now() - board.read_us / 1000) });
    if (failed === "session") return lh.say("The session of this screen has ended: an administrator makes a new link on the page People.") + age;
    if (failed === "database" || (!failed && away)) return lh.say("The database is away. It is tried again by itself.") + age;
    if (failed && failed !== "server") return failed + age;
    return lh.say("The connection to the server is lost. It is tried again by itself.") + age;
  }
  function show() {
    const words = lostWords(), lost = part("lost");
    const was = lost.hidden;
    lost.hidden = !words;
    setText(lost, words);
    document.body.classList.toggle("lost", words !== "");
    if (board === null) return;
    const { time_us, read_us, version, ...content } = board;
    const fresh = JSON.stringify(content);
    if (fresh !== drawn) { drawn = fresh; drawHead(); draw(); } else if (was !== lost.hidden) draw(); // there is more or less room now
    tick();
  }
  function drawHead() {
    setText(part("name"), board.name);
    const shift = board.shifts[0];
    part("shift").replaceChildren(...(shift ? [lh.make("span", "", lh.say("Shift {name}", { name: shift.name }) + (shift.team ? " · " + shift.team : "") + (shift.is_break ? " · " + lh.say("break") : "")), ticked(lh.make("span", "quiet number"), () => lh.say("{time} left", { time: timer(shift.to_us / 1000 - now()) }))] : []));
    const urgent = board.tiles.filter((tile) => tile.severity === 3).length, some = board.tiles.filter((tile) => tile.severity === 2).length;
    part("sum").replaceChildren(
      ...(urgent ? [badge("now", lh.say("{n} need somebody now", { n: urgent }))] : []),
      ...(some ? [badge("some", lh.say("{n} need somebody", { n: some }))] : []),
      ...(urgent || some ? [] : [badge("normal", lh.say("Nobody is needed"))]));
    const calls = board.answers.length ? [lh.make("span", "", lh.say("Calls in 24 h:"))] : [];
    part("answers").replaceChildren(...calls, ...board.answers.map((one) => lh.make("span", "", lh.say("{whom} {n}", { whom: WHOM[one.whom] || one.whom, n: one.calls }) + (one.answered_p50_seconds === null ? "" : ", " + lh.say("answered after {time}", { time: timer(one.answered_p50_seconds * 1000) })))));
  }
  function badge(look, words) {
    const made = lh.make("span", "badge " + look);
    made.append(lh.make("span", "shape"), lh.make("span", "", words));
    return made;
  }
  function ticked(element, words) { ticking.push([element, words]); setText(element, words()); return element; }

  /* as many tiles as fit; those that need somebody stand on each page */
  function layoutFor(count) {
    const main = document.getElementById("page"), rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const width = main.clientWidth / rem, height = main.clientHeight / rem, WIDE = 28, HIGH = 17.5 + (told.may ? 2 * Math.max(0, 44 / rem - 2.75) : 0); // buttons keep their 44 px on small screens
    const most = { columns: Math.max(1, Math.floor(width / WIDE)), rows: Math.max(1, Math.floor(height / HIGH)) };
    let best = { ...most, scale: 1 };
    if (count < most.columns * most.rows) {
      let found = 0;
      for (let columns = 1; columns <= most.columns; columns++) {
        const rows = Math.ceil(count / columns);
        if (rows > most.rows) continue;
        const scale = Math.min(width / columns / WIDE, height / rows / HIGH);
        if (scale > found) { found = scale; best = { columns, rows, scale: Math.min(2, scale) }; }
      }
    }
    return best;
  }
  function draw() {
    const main = document.getElementById("page");
    ticking = ticking.filter(([element]) => !main.contains(element) && element.isConnected);
    if (!board.tiles.length) { main.replaceChildren(lh.make("p", "loading", lh.say("There is no work unit here."))); return; }
    const grid = layoutFor(board.tiles.length), room = grid.columns * grid.rows;
    main.style.gridTemplateColumns = "repeat(" + grid.columns + ", minmax(0, 1fr))";
    main.style.gridTemplateRows = "repeat(" + grid.rows + ", minmax(0, 1fr))";
    main.style.setProperty("--scale", grid.scale.toFixed(3));
    let tiles = board.tiles, pages = 1;
    if (tiles.length > room) {
      const urgent = tiles.filter((tile) => tile.severity > 1).sort((a, b) => b.severity - a.severity).slice(0, Math.ceil(room / 2));
      const rest = tiles.filter((tile) => !urgent.includes(tile)), each = room - urgent.length;
      pages = Math.ceil(rest.length / each);
      page %= pages;
      const from = Math.min(page * each, rest.length - each); // the last page is full, too
      tiles = [...urgent, ...rest.slice(from, from + each)];
    }
    setText(part("page"), pages > 1 ? lh.say("Page {n} of {m}", { n: page + 1, m: pages }) : "");
    const held = document.activeElement && main.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    main.replaceChildren(...tiles.map(tileOf));
    fitNames(main);
    if (held) for (const element of main.querySelectorAll("[data-key]")) if (element.dataset.key === held) element.focus();
    main.dataset.drawn = String(pages);
  }
  function tileOf(tile) {
    const made = lh.make("article", "tile " + LOOKS[tile.severity]), head = lh.make("div", "tile-head");
    const name = lh.make("h2"), title = told.screen ? lh.make("span", "", tile.name) : lh.make("a", "", tile.name);
    if (!told.screen) title.href = "/equipment/" + tile.equipment;
    name.append(title);
    head.append(lh.make("span", "shape"), name);
    if (told.may) head.append(callButton(tile));
    made.append(head);
    const [first, ...others] = tile.needs;
    if (first) made.append(...needOf(first));
    else made.append(stateOf(tile));
    if (others.length) made.append(othersOf(others));
    if (told.may && first && first.call !== null) made.append(doingOf(first));
    if (!first) made.append(lh.make("div", "tile-about", [board.name === tile.line ? "" : tile.line, tile.product, tile.part].filter(Boolean).join(" · ")));
    made.append(paceOf(tile));
    return made;
  }
  function needOf(need) {
    const line = lh.make("div", "tile-need"), why = lh.make("div", "tile-why");
    line.append(lh.make("span", "whom", WHOM[need.whom] || need.whom));
    if (need.since_us !== null) line.append(ticked(lh.make("span", "timer"), () => timer(now() - need.since_us / 1000)));
    const words = need.why === "call" ? need.words || WHY.call : WHY[need.why] + (need.count > 1 ? " × " + need.count : "") + (need.words ? ": " + need.words : "");
    why.append(lh.make("span", "", words));
    if (need.answerer) why.append(ticked(lh.make("span", "comes"), () => lh.say("{who} comes · {time}", { who: need.answerer, time: timer(now() - need.answered_us / 1000) })));
    return [line, why];
  }
  function stateOf(tile) {
    const line = lh.make("div", "tile-state");
    line.append(lh.make("span", "", STATES[tile.state] || tile.state));
    if (tile.reason && tile.state !== "production") line.append(lh.make("span", "quiet", tile.reason));
    if (tile.since_us !== null && tile.state !== "production") line.append(ticked(lh.make("span", "timer quiet"), () => timer(now() - tile.since_us / 1000)));
    return line;
  }
  function othersOf(needs) {
    const line = lh.make("div", "tile-others");
    for (const need of needs) {
      const one = badge(LOOKS[need.severity], (WHOM[need.whom] || need.whom) + ": " + WHY[need.why] + (need.count > 1 ? " × " + need.count : ""));
      one.title = need.words;
      line.append(one);
    }
    return line;
  }
  function doingOf(need) {
    const line = lh.make("div", "tile-do"), wrong = lh.make("span", "tile-wrong");
    line.append(...steps(need.call, need.answerer, (words) => { setText(wrong, words); if (!words) ask(); }), wrong);
    return line;
  }
  function callButton(tile) {
    const call = lh.make("button", "tool", lh.say("Call…"));
    call.type = "button";
    call.dataset.key = tile.equipment;
    call.addEventListener("click", () => callFor(tile));
    return call;
  }
  /* a long name is written smaller: its end tells one machine from the next */
  function fitNames(main) {
    const names = [...main.querySelectorAll(".tile-head h2")], sizes = names.map((name) => name.clientWidth / Math.max(1, name.scrollWidth));
    names.forEach((name, n) => { if (sizes[n] < 1) name.style.fontSize = Math.max(1.3, 2.3 * sizes[n] - 0.03).toFixed(2) + "em"; });
  }
  function callFor(tile) {
    const dialog = lh.make("dialog", "board-dialog");
    dialog.append(lh.make("h2", "", tile.name));
    const wrong = lh.make("p", "notice wrong");
    wrong.hidden = true;
    dialog.append(caller(tile.equipment, (words) => { wrong.hidden = !words; wrong.textContent = words; if (!words) { dialog.close(); ask(); } }), wrong);
    const close = lh.make("button", "tool", lh.say("Close"));
    close.type = "button";
    close.addEventListener("click", () => dialog.close());
    dialog.append(close);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
  function paceOf(tile) {
    const line = lh.make("div", "tile-pace"), out = tile.output;
    if (tile.takt) line.append(ticked(lh.make("span", "takt number"), () => taktWords(tile.takt, line)));
    if (out) {
      const behind = out.planned === null ? 0 : out.planned - out.made;
      line.append(lh.make("span", "made number", out.planned === null ? lh.say("{n} made", { n: out.made }) : lh.say("{n} of {m} made", { n: out.made, m: out.planned })));
      if (behind >= 2 && out.made < 0.9 * out.planned) line.append(lh.make("span", "late number", lh.say("{n} behind", { n: behind })));
      if (out.scrap) line.append(lh.make("span", "scrap number", lh.say("{n} scrap", { n: out.scrap })));
      if (out.planned !== null) {
        const whole = Math.max(out.planned_whole || 0, out.made, out.planned, 1), bar = lh.make("span", "pace" + (behind >= 2 && out.made < 0.9 * out.planned ? " behind" : ""));
        const fill = lh.make("i"), mark = lh.make("b");
        fill.style.width = (100 * out.made) / whole + "%";
        mark.style.left = (100 * out.planned) / whole + "%";
        bar.append(fill, mark);
        bar.setAttribute("role", "img");
        bar.setAttribute("aria-label", lh.say("{n} of {m} made", { n: out.made, m: out.planned }));
        line.append(bar);
      }
    }
    return line;
  }
  function taktWords(takt, line) {
    const left = takt.begin_us / 1000 + takt.run_us / 1000 - now();
    line.classList.toggle("over", left < -takt.run_us / 10000);
    return left >= 0 ? lh.say("next in {time}", { time: timer(left + 999) }) : lh.say("{time} late", { time: timer(-left) });
  }

  const timeOfDay = new Intl.DateTimeFormat("en-GB", { timeZone: lh.zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
  function tick() {
    ticking = ticking.filter(([element]) => element.isConnected);
    for (const [element, words] of ticking) setText(element, words());
    if (board) setText(document.getElementById("plant-clock"), timeOfDay.format(now()));
  }
  setInterval(() => {
    const words = lostWords();
    if (words !== part("lost").textContent) show();
    tick();
    if (board && performance.now() - pageAt > PAGE_MS && part("page").textContent) { pageAt = performance.now(); page += 1; draw(); }
  }, 1000);
  setInterval(ask, ASK_MS);
  lh.watch("andon", (message) => { if (message.calls) ask(); });
  lh.watch("alarms", (message) => { if (message.topic === "alarms") ask(); });
  addEventListener("leadhand-stream-broken", ask); // at once, not with the next turn
  addEventListener("resize", () => { if (board) draw(); });
  const place = part("place"), full = part("full");
  if (place) place.addEventListener("change", () => { const to = new URL(location.href); to.searchParams.set("place", place.value); location.href = to; });
  if (full) full.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => null));
  addEventListener("click", (event) => { // the address says more than the cookie
    const tool = event.target.closest && event.target.closest("[data-language],[data-theme]");
    if (!tool) return;
    event.stopImmediatePropagation();
    const to = new URL(location.href);
    for (const name of ["language", "theme"]) if (tool.dataset[name]) to.searchParams.set(name, tool.dataset[name]);
    location.href = to;
  }, true);
  ask();
})();

/* The schedule: work units or orders over time. Reads the plan once, draws what can be seen, and is worked by mouse, finger or keys. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh || !lh.schedule) return;
  const { AXIS, GROUP, HOUR, STARTED, FROZEN, PERSON, paint, lowest, clock, moment, Moving } = lh.schedule;
  const LANE = 44, DENSE = 24, MOST_ROWS = 300, SHORTEST = 10 * 60000;
  const LOCKS = { [STARTED]: lh.say("started"), [FROZEN]: lh.say("frozen"), [PERSON]: lh.say("locked by a person") };

  const within = (unit) => (unit.group && unit.name.startsWith(unit.group + "/") ? unit.name.slice(unit.group.length + 1) : unit.name); // its group stands above it

  lh.whenPresent("[data-schedule]", (place) => new Schedule(place).stop);

  class Schedule {
    constructor(place) {
      this.place = place;
      place.schedule = this; // for tests and the curious
      this.told = JSON.parse(place.dataset.schedule);
      this.asked = new URLSearchParams(location.search); // ?find=SO-4711 finds an order, ?plan=12 shows a version
      Object.assign(this, { plan: null, chosen: -1, ghost: null, by: "unit", colour: "late", dense: false, trips: false, family: "", group: "", find: "", lanes: [], scroll: 0, turn: 0, drawn: 0, version: Number(this.asked.get("plan")) || null });
      this.scroller = lh.make("div", "schedule-scroll");
      this.spacer = lh.make("div", "schedule-spacer");
      this.canvas = lh.make("canvas", "schedule-canvas");
      this.spacer.append(this.canvas);
      this.scroller.append(this.spacer);
      this.readout = lh.make("div", "schedule-readout small");
      this.readout.setAttribute("aria-live", "polite");
      this.moving = new Moving(this);
      this.tools();
      const beside = document.querySelector("[data-schedule-beside]");
      this.table = lh.make("details", "schedule-table");
      this.table.append(lh.make("summary", "", lh.say("The same as a table")), lh.make("div", "scroll"));
      this.table.addEventListener("toggle", () => this.fillTable());
      place.append(this.scroller, this.readout, this.moving.said, this.table);
      if (beside) beside.append(this.moving.form); else place.append(this.moving.form);
      this.listen();
      this.resize = new ResizeObserver(() => this.fit());
      this.resize.observe(this.scroller);
      this.timer = setInterval(() => { if (this.plan && !document.hidden) { this.nowMs = lh.now(); this.draw(); } }, 10000);
      lh.schedule.shown = this;
      this.stop = () => { this.turn++; clearInterval(this.timer); this.resize.disconnect(); this.moving.form.remove(); if (lh.schedule.shown === this) lh.schedule.shown = null; };
      this.read();
    }

    /* -- reading -- */
    base() { return "/api/v1/plan/versions/" + this.plan.id; }
    async ask(address, body) {
      const options = { headers: { Accept: "application/json" } };
      if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body), headers: { ...options.headers, "Content-Type": "application/json" } });
      const answer = await fetch(address, options), content = await answer.json();
      if (!answer.ok) throw new Error(content.error || answer.status);
      return content;
    }
    async read() {
      const turn = ++this.turn;
      try {
        const live = this.version ? null : (await this.ask("/api/v1/plan")).live;
        if (turn !== this.turn) return;
        if (!this.version && !live) { this.readout.textContent = lh.say("There is no plan yet."); this.place.dataset.empty = "1"; return; }
        const told = await this.ask("/api/v1/plan/versions/" + (this.version || live.id) + "/drawing");
        if (turn !== this.turn) return;
        delete this.place.dataset.empty;
        const kept = this.plan && this.chosen >= 0 ? this.nameOf(this.chosen) : null, first = !this.plan, other = !first && this.plan.id !== told.plan;
        this.take(told);
        if (other) this.ghost = null;
        if (first) this.whole(true);
        this.lay();
        if (this.find) this.mark();
        if (other && kept !== null) this.choose(this.plan.byName.get(kept) ?? -1, false);
        else if (first && this.asked.get("find")) this.search(this.asked.get("find"));
        this.draw();
        this.place.dataset.drawn = String(told.plan);
      } catch (error) { if (turn === this.turn) { this.readout.textContent = lh.say("The plan could not be read: {why}", { why: error.message }); this.place.dataset.failed = "1"; } }
    }
    take(told) {
      const ms = (tick) => (told.origin_us + tick * told.tick_us) / 1000, column = (ticks) => Float64Array.from(ticks, ms), o = told.operations, j = told.jobs;
      const plan = (this.plan = {
        id: told.plan, told, row: o.row, job: o.job, name: o.name, unit: o.unit, lock: o.lock, elsewhere: o.elsewhere, setupMs: column(o.setup), fromMs: column(o.start), toMs: column(o.end),
        moved: o.moved.map((ticks) => (ticks * told.tick_us) / 1000), unitName: told.units.map((one) => one.name), jobName: j.name, late: j.late.map((ticks) => (ticks * told.tick_us) / 1000),
        dueMs: j.due.map((tick) => (tick === null ? null : ms(tick))), tripFromMs: column(told.trips.leaves), tripToMs: column(told.trips.arrives), tripOperation: told.trips.operation, ofRow: new Map(), byName: new Map(), of: new Map(), lastOf: [],
      });
      o.row.forEach((row, n) => { plan.ofRow.set(row, n); plan.byName.set(this.nameOf(n), n); if (!plan.of.has(o.job[n])) plan.of.set(o.job[n], []); plan.of.get(o.job[n]).push(n); });
      for (const [job, all] of plan.of) { all.sort((a, b) => plan.fromMs[a] - plan.fromMs[b]); plan.lastOf[job] = all.reduce((a, b) => (plan.toMs[b] >= plan.toMs[a] ? b : a)); }
      plan.operationsOf = (job) => plan.of.get(job) || [];
      this.changeable = told.kind === "live";
      this.nowMs = lh.now();
      this.frozenMs = told.frozen_until_us === null ? -Infinity : told.frozen_until_us / 1000;
      this.units = told.units.map((one) => ({ ...one, closed: one.closed.map(([a, b]) => [ms(a), ms(b)]), stops: one.stops.map(([a, b, words]) => [ms(a), ms(b), words]) }));
      this.options(this.familyBox, [...new Set(j.family)].filter(Boolean).sort(), this.family);
      this.options(this.groupBox, [...new Set(told.units.map((one) => one.group))].filter(Boolean).sort(), this.group);
      this.tripTool.classList.toggle("hidden", !told.trips.vehicle.length);
    }
    nameOf(o) { const { plan } = this, job = plan.jobName[plan.job[o]]; return plan.name[o] ? plan.name[o] + " · " + job : job; }

    /* -- lanes -- */
    fits(o) { const { plan } = this, j = plan.told.jobs; return (!this.family || j.family[plan.job[o]] === this.family) && (!this.group || this.units[plan.unit[o]].group === this.group); }
    lay() {
      const { plan } = this, height = this.dense ? DENSE : LANE, lanes = [], byLane = new Map();
      if (!plan) return;
      plan.fromMs.forEach((_, o) => { if (!this.fits(o)) return; const key = this.by === "unit" ? plan.unit[o] : plan.job[o]; if (!byLane.has(key)) byLane.set(key, []); byLane.get(key).push(o); });
      const add = (lane) => {
        const all = lane.operations || [];
        all.sort((a, b) => plan.fromMs[a] - plan.fromMs[b]);
        lane.operations = all;
        lane.start = all.map((o) => plan.fromMs[o]);
        let reach = -Infinity;
        lane.reach = all.map((o) => (reach = Math.max(reach, plan.toMs[o])));
        lanes.push({ closed: [], stops: [], height, ...lane });
      };
      const grouped = (entries, groupOf, laneOf) => {
        const groups = new Map();
        for (const entry of entries) { const name = groupOf(entry); if (!groups.has(name)) groups.set(name, []); groups.get(name).push(entry); }
        for (const [name, inside] of groups) { if (name && groups.size > 1 && (this.by === "unit" || inside.length > 1)) add({ kind: "group", name, height: GROUP }); for (const entry of inside) add(laneOf(entry)); }
      };
      if (this.by === "unit") {
        const shown = this.units.map((_, n) => n).filter((n) => !this.group || this.units[n].group === this.group);
        grouped(shown, (n) => this.units[n].group, (n) => ({ kind: "unit", unit: n, name: within(this.units[n]), operations: byLane.get(n), closed: this.units[n].closed, stops: this.units[n].stops, words: lh.say("{n} operations", { n: (byLane.get(n) || []).length }) }));
        const vehicles = [...new Set(plan.told.trips.vehicle)].sort((a, b) => a - b);
        if (this.trips && vehicles.length) {
          add({ kind: "group", name: lh.say("Vehicles"), height: GROUP });
          for (const vehicle of vehicles) add({ kind: "vehicle", name: lh.say("Vehicle {n}", { n: vehicle + 1 }), trips: plan.told.trips.vehicle.map((one, n) => (one === vehicle ? n : -1)).filter((n) => n >= 0) });
        }
      } else {
        const j = plan.told.jobs, shown = [...byLane.keys()].sort((a, b) => (plan.dueMs[a] ?? Infinity) - (plan.dueMs[b] ?? Infinity) || a - b);
        grouped(shown, (n) => j.order[n], (n) => ({ kind: "job", job: n, name: plan.jobName[n], late: plan.late[n] > 0, words: plan.late[n] > 0 ? lh.say("late by {span}", { span: lh.age(plan.late[n]) }) : plan.dueMs[n] === null ? j.product[n] : lh.say("due {time}", { time: moment(plan.dueMs[n]).slice(5) }), operations: byLane.get(n) }));
      }
      let top = 0;
      for (const lane of lanes) { lane.top = top; top += lane.height; }
      this.lanes = lanes;
      this.byKey = new Map(lanes.filter((lane) => lane.kind === "unit" || lane.kind === "job").map((lane) => [this.by === "unit" ? lane.unit : lane.job, lane]));
      this.spacer.style.height = AXIS + top + "px";
      this.place.dataset.lanes = String(this.byKey.size);
      this.fit();
    }
    laneOf(o) { return this.byKey && this.byKey.get(this.by === "unit" ? this.plan.unit[o] : this.plan.job[o]); }
    laneAt(y) { const at = y - AXIS + this.scroller.scrollTop; return this.lanes.find((lane) => at >= lane.top && at < lane.top + lane.height); }
    at(x, y) { // the operation at a point; a thin one is found 22 pixels to each side, as a finger needs it
      const lane = y > AXIS && x > this.left ? this.laneAt(y) : null;
      if (!lane || lane.kind === "group" || lane.kind === "vehicle") return -1;
      const ms = this.fromMs + (x - this.left) / this.perMs, reach = 22 / this.perMs;
      let best = -1, far = Infinity;
      for (let n = lowest(lane.reach, ms - reach); n < lane.operations.length && lane.start[n] <= ms + reach; n++) {
        const o = lane.operations[n], away = Math.max(this.plan.fromMs[o] - ms, ms - this.plan.toMs[o], 0);
        if (away < far) { far = away; best = o; }
      }
      return far <= reach ? best : -1;
    }

    /* -- span -- */
    fit() {
      this.width = Math.max(280, this.scroller.clientWidth);
      this.height = Math.max(160, this.scroller.clientHeight);
      this.left = this.width < 700 ? 104 : 148;
      if (this.fromMs !== undefined) { this.perMs = (this.width - this.left) / (this.toMs - this.fromMs); this.draw(); }
    }
    span(from, to) {
      const { plan } = this, first = plan.fromMs.length ? Math.min(...[plan.setupMs, plan.fromMs].map((c) => c.reduce((a, b) => Math.min(a, b), Infinity)), this.nowMs) : this.nowMs, last = plan.toMs.reduce((a, b) => Math.max(a, b), this.nowMs + HOUR);
      const most = (last - first) * 1.1 + HOUR, length = Math.min(Math.max(to - from, SHORTEST), most);
      from = Math.min(Math.max(from, first - length * 0.5), last - length * 0.2);
      Object.assign(this, { fromMs: from, toMs: from + length });
      this.fit();
      this.fillTable();
    }
    whole(first) {
      const { plan } = this, from = plan.setupMs.reduce((a, b) => Math.min(a, b), Infinity), to = plan.toMs.reduce((a, b) => Math.max(a, b), -Infinity);
      if (!Number.isFinite(from)) return this.span(this.nowMs - HOUR, this.nowMs + 8 * HOUR);
      if (first && to - this.nowMs > 12 * HOUR) return this.span(Math.max(from, this.nowMs - HOUR), Math.max(from, this.nowMs - HOUR) + 12 * HOUR);
      this.span(from - (to - from) * 0.02, to + (to - from) * 0.02);
    }
    zoom(factor, at = 0.5) { const length = this.toMs - this.fromMs, middle = this.fromMs + at * length; this.span(middle - at * length * factor, middle + (1 - at) * length * factor); }
    pan(share) { const by = (this.toMs - this.fromMs) * share; this.span(this.fromMs + by, this.toMs + by); }
    now() { const length = this.toMs - this.fromMs; this.span(this.nowMs - length * 0.1, this.nowMs + length * 0.9); }
    show(ms) { const length = this.toMs - this.fromMs; if (ms < this.fromMs || ms > this.toMs - length * 0.05) this.span(ms - length * 0.3, ms + length * 0.7); }
    draw() {
      if (!this.plan || this.fromMs === undefined || this.waits) return;
      this.waits = true;
      requestAnimationFrame(() => { this.waits = false; if (!this.canvas.isConnected) return; this.scroll = this.scroller.scrollTop; paint(this); this.place.dataset.frames = String(Number(this.place.dataset.frames || 0) + 1); });
    }

    /* -- choosing -- */
    choose(o, move = true) {
      this.chosen = o;
      this.moving.show(o);
      const { plan } = this;
      window.dash_clientside.set_props("schedule-chosen", { data: o < 0 ? null : { plan: plan.id, operation: plan.row[o] } });
      this.place.dataset.chosen = o < 0 ? "" : this.nameOf(o);
      if (o >= 0) {
        this.readout.textContent = this.words(o);
        if (move) { this.show(plan.fromMs[o]); this.lift(this.laneOf(o)); }
      } else this.readout.textContent = "";
      this.draw();
    }
    lift(lane) { // so that its lane can be seen
      if (!lane) return;
      if (lane.top < this.scroller.scrollTop) this.scroller.scrollTop = lane.top;
      else if (AXIS + lane.top + lane.height > this.scroller.scrollTop + this.height) this.scroller.scrollTop = AXIS + lane.top + lane.height - this.height;
    }
    words(o) {
      const { plan } = this, job = plan.job[o], parts = [this.nameOf(o), plan.unitName[plan.unit[o]], moment(plan.fromMs[o]) + " – " + clock(plan.toMs[o])];
      if (LOCKS[plan.lock[o]]) parts.push(LOCKS[plan.lock[o]]);
      if (plan.late[job] > 0) parts.push(lh.say("late by {span}", { span: lh.age(plan.late[job]) }));
      return parts.join(" · ");
    }
    step(by) { // along the lane
      if (this.chosen < 0) return this.nearest();
      const lane = this.laneOf(this.chosen), n = lane ? lane.operations.indexOf(this.chosen) + by : -1;
      if (lane && lane.operations[n] !== undefined) this.choose(lane.operations[n]);
    }
    climb(by) { // to the lane above or below, to what is nearest in time
      if (this.chosen < 0) return this.nearest();
      const lanes = this.lanes.filter((lane) => lane.operations.length && lane.kind !== "group"), from = lanes.indexOf(this.laneOf(this.chosen)), lane = lanes[from + by];
      if (!lane) return;
      const ms = this.plan.fromMs[this.chosen];
      this.choose(lane.operations.reduce((a, b) => (Math.abs(this.plan.fromMs[b] - ms) < Math.abs(this.plan.fromMs[a] - ms) ? b : a)));
    }
    nearest() {
      const lane = this.lanes.find((one) => one.operations.length && one.kind !== "group" && one.top + one.height > this.scroller.scrollTop);
      if (lane) this.choose(lane.operations[Math.min(lowest(lane.reach, Math.max(this.fromMs, this.nowMs)), lane.operations.length - 1)]);
    }
    mark() { // what is looked for stays bright
      const { plan } = this, j = plan.told.jobs, hit = j.name.map((name, n) => [name, j.order[n], j.product[n]].some((one) => (one || "").toLowerCase().includes(this.find)));
      this.marked = (o) => hit[plan.job[o]];
      return hit;
    }
    search(words) {
      this.find = words.trim().toLowerCase();
      if (this.findBox.value.trim().toLowerCase() !== this.find) this.findBox.value = words;
      if (!this.find) { this.marked = null; this.readout.textContent = ""; this.draw(); return; }
      const { plan } = this, hit = this.mark();
      const found = plan.fromMs.reduce((best, from, o) => (hit[plan.job[o]] && this.laneOf(o) && (best < 0 || from < plan.fromMs[best]) ? o : best), -1), many = hit.filter(Boolean).length;
      if (found >= 0) this.choose(found);
      this.readout.textContent = found < 0 ? lh.say("Nothing here is called '{words}'.", { words }) : lh.say("{n} parts found", { n: many }) + ": " + this.words(found);
      this.draw();
    }

    /* -- mouse, finger, keys -- */
    listen() {
      const { canvas, place } = this, point = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
      let pan = null;
      canvas.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || !this.plan) return;
        const [x, y] = point(event), o = this.at(x, y), touch = event.pointerType === "touch";
        pan = { id: event.pointerId, x: event.clientX, y: event.clientY, from: this.fromMs, scroll: this.scroller.scrollTop, o, touch, far: false };
        if (o >= 0 && (!touch || o === this.chosen)) this.moving.hold(o, event); // a finger moves what it has chosen before, else it pans
        canvas.setPointerCapture(event.pointerId);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (!this.plan) return;
        if (this.moving.held && this.moving.drag(event)) return;
        if (!pan || event.pointerId !== pan.id) { const o = this.at(...point(event)); canvas.style.cursor = o < 0 ? "" : this.moving.may(o) ? "grab" : "pointer"; canvas.title = o < 0 ? "" : this.words(o); return; }
        const dx = event.clientX - pan.x, dy = event.clientY - pan.y;
        if (!pan.far && Math.hypot(dx, dy) < 5) return;
        pan.far = true;
        if (!pan.touch) this.scroller.scrollTop = pan.scroll - dy;
        this.span(pan.from - dx / this.perMs, pan.from - dx / this.perMs + (this.toMs - this.fromMs));
      });
      const end = async (event) => {
        const was = pan;
        pan = null;
        const dragged = event.type === "pointerup" ? await this.moving.drop() : (this.moving.cancel(), true);
        if (this.missed) { this.missed = false; this.read(); } // a new plan came while something was held
        if (!dragged && was && !was.far) { this.moving.say(""); this.choose(was.o, false); place.focus({ preventScroll: true }); }
      };
      canvas.addEventListener("pointerup", end);
      canvas.addEventListener("pointercancel", end);
      canvas.addEventListener("touchmove", (event) => { if (this.moving.held) event.preventDefault(); }, { passive: false });
      canvas.addEventListener("wheel", (event) => {
        if (event.ctrlKey || event.metaKey) { event.preventDefault(); const [x] = point(event); this.zoom(Math.exp(event.deltaY * 0.003), Math.max(0, (x - this.left) / (this.width - this.left))); }
        else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) { event.preventDefault(); this.pan((event.deltaX || event.deltaY) / this.width); }
      }, { passive: false });
      this.scroller.addEventListener("scroll", () => this.draw(), { passive: true });
      place.tabIndex = 0;
      place.addEventListener("keydown", (event) => {
        if (event.target !== place || !this.plan || event.ctrlKey || event.metaKey || event.altKey) return;
        const far = event.shiftKey;
        const act = { ArrowLeft: () => (far ? this.pan(-0.25) : this.step(-1)), ArrowRight: () => (far ? this.pan(0.25) : this.step(1)), ArrowUp: () => this.climb(-1), ArrowDown: () => this.climb(1), "+": () => this.zoom(0.5), "-": () => this.zoom(2), Home: () => this.now(), End: () => this.whole(false), Escape: () => (this.ghost ? this.moving.cancel() : this.choose(-1)), m: () => this.moving.unit && !this.moving.form.classList.contains("hidden") && this.moving.unit.focus(), f: () => this.findBox.focus() }[event.key];
        if (act) { event.preventDefault(); act(); }
      });
    }

    /* -- tools -- */
    tools() {
      const bar = lh.make("div", "trend-tools schedule-tools");
      bar.setAttribute("role", "toolbar");
      bar.setAttribute("aria-label", lh.say("What is shown"));
      const button = (words, act, label, pressed) => {
        const made = lh.make("button", "tool", words);
        made.type = "button";
        if (label) { made.title = label; made.setAttribute("aria-label", label); }
        if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
        made.addEventListener("click", () => this.plan && act(made));
        bar.append(made);
        return made;
      };
      const pick = (pairs, get, set) => { const made = pairs.map(([name, words]) => button(words, () => { set(name); made.forEach((one, n) => one.setAttribute("aria-pressed", String(pairs[n][0] === get()))); this.lay(); this.draw(); }, undefined, name === get())); };
      button("−", () => this.zoom(2), lh.say("Zoom out"));
      button("+", () => this.zoom(0.5), lh.say("Zoom in"));
      button("←", () => this.pan(-0.5), lh.say("Earlier"));
      button("→", () => this.pan(0.5), lh.say("Later"));
      button(lh.say("Now"), () => this.now());
      button(lh.say("Whole plan"), () => this.whole(false));
      bar.append(lh.make("span", "gap"));
      pick([["unit", lh.say("By unit")], ["order", lh.say("By order")]], () => this.by, (name) => { this.by = name; this.scroller.scrollTop = 0; });
      bar.append(lh.make("span", "gap"));
      pick([["late", lh.say("Late")], ["moved", lh.say("Moved")]], () => this.colour, (name) => { this.colour = name; this.place.dataset.colour = name; });
      const second = lh.make("div", "schedule-filters"), field = (words, input) => { const label = lh.make("label", "small", words); label.append(input); second.append(label); return input; };
      const toggle = (words, name) => button(words, (made) => { this[name] = !this[name]; made.setAttribute("aria-pressed", String(this[name])); this.lay(); this.draw(); }, undefined, false);
      this.findBox = field(lh.say("Find order, serial or product"), lh.make("input"));
      this.findBox.type = "search";
      this.findBox.maxLength = 200;
      this.findBox.addEventListener("change", () => this.plan && this.search(this.findBox.value));
      this.findBox.addEventListener("search", () => this.plan && !this.findBox.value && this.search(""));
      this.familyBox = field(lh.say("Family"), lh.make("select"));
      this.groupBox = field(lh.say("Line"), lh.make("select"));
      this.familyBox.addEventListener("change", () => { this.family = this.familyBox.value; this.lay(); this.draw(); });
      this.groupBox.addEventListener("change", () => { this.group = this.groupBox.value; this.lay(); this.draw(); });
      second.append(toggle(lh.say("Dense"), "dense"), (this.tripTool = toggle(lh.say("Vehicles"), "trips")));
      this.place.append(bar, second);
    }
    options(box, names, chosen) {
      box.replaceChildren(...["", ...names].map((name) => { const option = lh.make("option", "", name || lh.say("all")); option.value = name; option.selected = name === chosen; return option; }));
      box.parentElement.classList.toggle("hidden", names.length < 2);
    }

    /* -- the same rows as a table -- */
    fillTable() {
      if (!this.table.open || !this.plan) return;
      const { plan } = this, heads = [lh.say("Unit"), lh.say("Part"), lh.say("Operation"), lh.say("Start"), lh.say("End"), lh.say("State")];
      const inside = [];
      for (const lane of this.lanes) if (lane.kind !== "group") for (let n = lowest(lane.reach, this.fromMs); n < lane.operations.length && lane.start[n] <= this.toMs; n++) inside.push(lane.operations[n]);
      const table = lh.make("table", "list"), head = lh.make("tr"), body = lh.make("tbody"), top = lh.make("thead");
      for (const words of heads) { const cell = lh.make("th", "", words); cell.scope = "col"; head.append(cell); }
      for (const o of inside.slice(0, MOST_ROWS)) {
        const row = lh.make("tr"), opener = lh.make("button", "tool small", plan.jobName[plan.job[o]]), late = plan.late[plan.job[o]];
        opener.type = "button";
        opener.addEventListener("click", () => this.choose(o));
        const cells = [plan.unitName[plan.unit[o]], opener, plan.name[o], moment(plan.fromMs[o]), moment(plan.toMs[o]), [LOCKS[plan.lock[o]], late > 0 ? lh.say("late by {span}", { span: lh.age(late) }) : null].filter(Boolean).join(", ") || "–"];
        for (const content of cells) { const cell = lh.make("td"); cell.append(content); row.append(cell); }
        body.append(row);
      }
      top.append(head);
      table.append(top, body);
      table.setAttribute("aria-label", lh.say("Operations in the span shown"));
      const said = inside.length > MOST_ROWS ? lh.say("The first {n} of {all} operations in this span: zoom in, or filter.", { n: MOST_ROWS, all: inside.length }) : lh.say("{n} operations", { n: inside.length });
      this.table.lastElementChild.replaceChildren(lh.make("p", "small quiet", said), table);
    }
  }

  /* the page tells what stands now: a new plan is drawn in the place of the old one */
  Object.assign(window.dash_clientside.leadhand, {
    scheduleNews(news) {
      const shown = lh.schedule.shown;
      if (shown && news && (news.plan !== (shown.plan && shown.plan.id) || news.mark !== shown.newsMark)) { const first = shown.newsMark === undefined && news.plan === (shown.plan && shown.plan.id); shown.newsMark = news.mark; shown.version = news.version; if (shown.moving.held) shown.missed = true; else if (!first) shown.read(); }
      return window.dash_clientside.no_update;
    },
  });
})();

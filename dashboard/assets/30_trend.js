/* Trends of one equipment, stacked over one time axis: live at full rate, or any span of history at the resolution that fits. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const { LIVE_MS, address } = window.leadhandEarly, MIN_SPAN_MS = 200, HEIGHT = 150, MOST_TEXTS = 5000;
  const SPANS = [["1 h", 3600e3], ["8 h", 8 * 3600e3], ["24 h", 24 * 3600e3], ["7 d", 7 * 86400e3]];
  const STEP_MS = { raw: 0, "1s": 1000, "1m": 60000, "1h": 3600000 };
  const RESOLUTION = { raw: lh.say("every sample"), "1s": lh.say("1 second"), "1m": lh.say("1 minute"), "1h": lh.say("1 hour") };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const formats = new Map();
  function format(ms, options) {
    const key = JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("sv-SE", { timeZone: lh.zone, hour12: false, ...options }));
    return formats.get(key).format(ms);
  }
  const CLOCK = { hour: "2-digit", minute: "2-digit" }, SECONDS = { ...CLOCK, second: "2-digit" }, DAY = { month: "2-digit", day: "2-digit" };
  const whole = (ms) => format(ms, { year: "numeric", ...DAY, ...SECONDS }) + "." + String(Math.floor(((ms % 1000) + 1000) % 1000)).padStart(3, "0");
  const day = (ms) => format(ms, { year: "numeric", ...DAY }).slice(5);
  /* what datetime-local inputs hold is plant time: shift by the zone's offset at that moment */
  function offsetAt(ms) { return Date.parse(format(ms, { year: "numeric", ...DAY, ...SECONDS }).replace(" ", "T") + "Z") - Math.floor(ms / 1000) * 1000; }
  const toInput = (ms) => new Date(ms + offsetAt(ms)).toISOString().slice(0, 19);
  function fromInput(text) { const asUtc = Date.parse(text + "Z"); return Number.isFinite(asUtc) ? asUtc - offsetAt(asUtc - offsetAt(asUtc)) : NaN; }

  lh.whenPresent("[data-trend]", (place) => new Trend(place).stop);

  class Trend {
    constructor(place) {
      this.place = place;
      place.trend = this; // for tests and the curious
      this.plan = JSON.parse(place.dataset.trend);
      const first = new URLSearchParams(location.search).get("signal"); // what somebody came for stands first
      this.lines = this.plan.signals.filter((s) => s.as !== "strip").sort((a, b) => (b.name === first) - (a.name === first));
      this.strips = this.plan.signals.filter((s) => s.as === "strip");
      this.shown = Math.min(this.plan.first, this.lines.length);
      this.charts = new Map();
      this.past = [];
      this.turn = 0;
      this.endWatch = [];
      this.stop = () => { this.turn++; clearInterval(this.timer); for (const end of this.endWatch) end(); this.resize.disconnect(); this.abort && this.abort.abort(); for (const chart of this.charts.values()) chart.plot.destroy(); };
      this.tools();
      this.area = lh.make("div");
      place.append(this.area);
      this.resize = new ResizeObserver(() => this.fit());
      this.resize.observe(place);
      this.lay();
      this.open();
      this.timer = setInterval(() => this.follow(), 1000);
    }

    open() { // the address may say which span to show: ?span=24h, or ?from=…&to=… in milliseconds since 1970
      const asked = new URLSearchParams(location.search), wanted = asked.get("span"), known = SPANS.find(([name]) => name.replace(" ", "") === wanted);
      const from = Number(asked.get("from")), to = Number(asked.get("to"));
      if (known) this.back(known[1], known[0]); else if (from > 0 && to > from) this.show(from, to, "custom"); else this.live();
    }

    /* -- tools -- */
    tools() {
      const bar = lh.make("div", "trend-tools");
      bar.setAttribute("role", "toolbar");
      bar.setAttribute("aria-label", lh.say("Span of time"));
      this.buttons = new Map();
      const button = (name, words, act, parent) => {
        const made = lh.make("button", "tool", words);
        made.type = "button";
        made.addEventListener("click", act);
        (parent || bar).append(made);
        if (name) this.buttons.set(name, made);
        return made;
      };
      button("live", lh.say("Live"), () => { this.past = []; this.live(); });
      for (const [name, span] of SPANS) button(name, lh.say(name), () => this.back(span, name));
      button("custom", lh.say("From … to …"), () => { this.custom.classList.toggle("hidden"); if (!this.from.value) this.fillCustom(); });
      const steps = [["−", lh.say("Zoom out"), () => this.zoom(2)], ["+", lh.say("Zoom in"), () => this.zoom(0.5)], ["←", lh.say("Earlier"), () => this.pan(-0.5)], ["→", lh.say("Later"), () => this.pan(0.5)]];
      for (const [sign, words, act] of steps) { const made = button(null, sign, act); made.title = words; made.setAttribute("aria-label", words); }
      this.facts = lh.make("span", "facts-line");
      this.facts.setAttribute("aria-live", "polite");
      bar.append(this.facts);
      this.custom = lh.make("div", "trend-tools hidden");
      const field = (words) => { const label = lh.make("label", "small", words + " "); const input = lh.make("input"); input.type = "datetime-local"; input.step = 1; label.append(input); this.custom.append(label); return input; };
      this.from = field(lh.say("From"));
      this.to = field(lh.say("To"));
      button(null, lh.say("Show"), () => { const a = fromInput(this.from.value), b = fromInput(this.to.value); if (a < b) { this.remember(); this.show(a, b, "custom"); } else this.facts.textContent = lh.say("'From' must lie before 'To'."); }, this.custom);
      this.place.append(bar, this.custom);
      this.place.tabIndex = 0;
      this.place.addEventListener("keydown", (event) => {
        if (event.target !== this.place) return;
        const act = { ArrowLeft: () => this.pan(-0.25), ArrowRight: () => this.pan(0.25), "+": () => this.zoom(0.5), "-": () => this.zoom(2), Escape: () => this.undo() }[event.key];
        if (act) { event.preventDefault(); act(); }
      });
    }
    fillCustom() { this.from.value = toInput(this.fromMs); this.to.value = toInput(this.toMs); }
    mark(name) { this.mode = name; for (const [key, made] of this.buttons) made.setAttribute("aria-pressed", key === name ? "true" : "false"); }
    remember() { this.past.push([this.fromMs, this.toMs, this.mode]); if (this.past.length > 50) this.past.shift(); }
    undo() { const last = this.past.pop(); if (!last) return; if (last[2] === "live") this.live(); else this.show(...last); }
    zoom(factor) { const middle = this.mode === "live" ? this.toMs : (this.fromMs + this.toMs) / 2, span = Math.max(MIN_SPAN_MS, (this.toMs - this.fromMs) * factor); this.remember(); this.show(this.mode === "live" ? middle - span : middle - span / 2, this.mode === "live" ? middle : middle + span / 2, "zoom"); }
    pan(share) { const by = (this.toMs - this.fromMs) * share; this.remember(); this.show(this.fromMs + by, this.toMs + by, "zoom"); }
    back(span, name) { this.past = []; this.rolling = span; this.show(lh.now() - span, lh.now(), name); }

    /* -- spans -- */
    live() {
      this.mark("live");
      this.rolling = 0;
      this.fromMs = lh.now() - LIVE_MS;
      this.toMs = lh.now();
      this.watchLive();
      this.load();
    }
    show(from, to, name) {
      this.mark(name);
      if (!SPANS.some(([known]) => known === name)) this.rolling = 0;
      this.unwatch();
      this.fromMs = from;
      this.toMs = to;
      this.load();
    }
    unwatch() { for (const end of this.endWatch) end(); this.endWatch = []; }
    watchLive() {
      this.unwatch();
      for (const signal of this.lines.slice(0, this.shown)) this.endWatch.push(lh.watch("signal:" + signal.id, (message) => { if (message.point_time_us) this.append(signal, message); }));
    }
    follow() { // each second: the live axis moves on; rolling spans are read again when a hundredth of them is over
      const now = lh.now();
      if (this.mode === "live") {
        this.fromMs = now - LIVE_MS;
        this.toMs = now;
        if (!document.hidden) { for (const chart of this.charts.values()) this.draw(chart); if (this.strips.length && Math.round(now / 1000) % 3 === 0) this.loadStrips(this.turn); }
      } else if (this.rolling && !document.hidden && now - this.toMs > Math.max(10000, this.rolling / 100)) { this.fromMs = now - this.rolling; this.toMs = now; this.load(); }
    }

    /* -- reading -- */
    async load() {
      const turn = ++this.turn;
      if (this.abort) this.abort.abort();
      this.abort = new AbortController();
      const lines = this.lines.slice(0, this.shown);
      this.loadStrips(turn);
      if (!lines.length) return;
      const ids = lines.map((signal) => signal.id), first = window.leadhandFirst;
      window.leadhandFirst = null;
      const asked = first && turn === 1 && first.signals.join() === ids.join() && Math.abs(first.toMs - this.toMs) < 30000 && Math.abs(first.toMs - first.fromMs - (this.toMs - this.fromMs)) < 1;
      try {
        const answer = await (asked ? first.answer : fetch(address(ids, this.fromMs, this.toMs, this.mode === "live"), { signal: this.abort.signal, headers: { Accept: "application/json" } }));
        if (turn !== this.turn) return;
        const content = await answer.json();
        if (!answer.ok) throw new Error(content.error || answer.status);
        for (const found of content) {
          const chart = this.charts.get(found.signal);
          if (!chart) continue;
          const columns = this.columns(chart.signal, found);
          chart.resolution = found.resolution;
          if (this.mode === "live") this.joinLive(chart, columns); else chart.columns = columns;
          this.draw(chart);
        }
        const resolutions = [...new Set(content.map((found) => RESOLUTION[found.resolution] || found.resolution))];
        this.say(resolutions.join(", "));
        this.place.dataset.drawn = String(turn);
        requestAnimationFrame(() => performance.mark("leadhand-trend-drawn"));
      } catch (error) {
        if (error.name !== "AbortError" && turn === this.turn) this.facts.textContent = lh.say("The history could not be read: {why}", { why: error.message });
      }
    }
    say(resolution) {
      const span = this.mode === "live" ? lh.say("last {span}", { span: lh.age(LIVE_MS) }) : whole(this.fromMs).slice(0, 19) + " – " + whole(this.toMs).slice(0, 19);
      this.facts.textContent = span + " · " + lh.say("resolution: {resolution}", { resolution }) + " · " + lh.zone;
      this.place.dataset.resolution = resolution;
    }
    /* rows of nulls break the line; a rollup row that lacks numbers although samples were taken is bad */
    columns(signal, found) {
      const n = found.time_us.length, time = new Array(n), low = found.low, high = found.high;
      const middle = found.resolution === "raw" || signal.as === "step" ? found.last : found.mean;
      for (let i = 0; i < n; i++) time[i] = found.time_us[i] / 1000;
      const bad = [];
      for (let i = 0; i < n; i++) if (found.count[i] > found.good_count[i]) bad.push(time[i]);
      const made = { time, low: low.slice(), high: high.slice(), middle: middle.slice(), bad };
      return this.broken(made, Math.max(30000, 10 * signal.interval_us / 1000, 2.5 * STEP_MS[found.resolution]));
    }
    broken(columns, longest) { // no line over a silence that nobody explains
      const { time, low, high, middle } = columns, at = [];
      for (let i = 1; i < time.length; i++) if (middle[i] !== null && middle[i - 1] !== null && time[i] - time[i - 1] > longest) at.push(i);
      for (const i of at.reverse()) { time.splice(i, 0, (time[i - 1] + time[i]) / 2); for (const column of [low, high, middle]) column.splice(i, 0, undefined); }
      return columns;
    }
    append(signal, message) {
      const chart = this.charts.get(signal.id);
      if (!chart || this.mode !== "live") return;
      const news = { time: message.point_time_us.map((t) => t / 1000), low: message.low, high: message.high, middle: message.last };
      if (message.whole || !chart.live) chart.live = { time: [], low: [], high: [], middle: [] };
      push(chart.live, news);
      if (message.whole) { if (chart.columns) this.joinLive(chart, chart.columns); } else if (chart.columns) push(chart.columns, news);
      this.trim(chart);
    }
    joinLive(chart, columns) { // the stream knows the newest, the database what was before
      const live = chart.live, cut = live && live.time.length ? live.time[0] : Infinity;
      let keep = columns.time.length;
      while (keep > 0 && columns.time[keep - 1] >= cut) keep--;
      chart.columns = { time: columns.time.slice(0, keep), low: columns.low.slice(0, keep), high: columns.high.slice(0, keep), middle: columns.middle.slice(0, keep), bad: (columns.bad || []).filter((t) => t < cut) };
      if (live) push(chart.columns, live);
    }
    trim(chart) {
      for (const columns of [chart.columns, chart.live]) {
        if (!columns) continue;
        let drop = 0;
        while (drop < columns.time.length && columns.time[drop] < this.fromMs - 5000) drop++;
        if (drop > 500) for (const name of ["time", "low", "high", "middle"]) columns[name].splice(0, drop);
      }
    }

    /* -- drawing -- */
    lay() {
      for (const signal of this.strips) {
        const strip = lh.make("div", "strip");
        strip.setAttribute("role", "img");
        strip.setAttribute("aria-label", lh.say("Texts of {name}", { name: signal.name }));
        const title = lh.make("div", "title");
        signal.note = lh.make("span", "quiet");
        title.append(lh.make("strong", "wrap", signal.name), signal.note);
        this.area.append(title, strip);
        signal.strip = strip;
      }
      for (const signal of this.lines.slice(0, this.shown)) this.addChart(signal);
      if (this.shown < this.lines.length) {
        const more = lh.make("button", "tool", lh.say("Show {n} more", { n: Math.min(this.plan.first, this.lines.length - this.shown) }));
        more.type = "button";
        more.addEventListener("click", () => { more.remove(); const before = this.shown; this.shown = Math.min(this.lines.length, before + this.plan.first); for (const signal of this.lines.slice(before, this.shown)) this.addChart(signal); if (this.shown < this.lines.length) this.area.append(more); if (this.mode === "live") this.watchLive(); this.load(); });
        this.area.append(more);
      }
    }
    addChart(signal) {
      const holder = lh.make("div"), title = lh.make("div", "title"), readout = lh.make("span", "readout");
      title.append(lh.make("strong", "wrap", signal.name), lh.make("span", "quiet", signal.unit), readout);
      const canvas = lh.make("div");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", lh.say("Trend of {name}", { name: signal.name }));
      holder.append(title, canvas);
      this.area.append(holder);
      const chart = { signal, readout, columns: null, live: null, resolution: "raw", holder };
      chart.plot = new uPlot(this.options(chart), [[], [], [], []], canvas);
      this.charts.set(signal.id, chart);
      return chart;
    }
    width() { return Math.max(280, this.place.clientWidth - 2); }
    fit() { const width = this.width(); for (const chart of this.charts.values()) if (chart.plot.width !== width) chart.plot.setSize({ width, height: HEIGHT }); }
    options(chart) {
      const trace = color("trace"), ink = color("ink-2"), grid = color("line");
      const path = chart.signal.as === "step" ? uPlot.paths.stepped({ align: 1 }) : undefined;
      const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui, sans-serif" };
      return {
        width: this.width(), height: HEIGHT, ms: 1, legend: { show: false }, padding: [6, 12, 0, 0],
        tzDate: (ms) => uPlot.tzDate(new Date(ms), lh.zone),
        scales: { x: { time: true, range: () => [this.fromMs, this.toMs] }, y: { range: (plot, low, high) => yRange(chart.signal, low, high) } },
        cursor: { sync: { key: "trend", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } }, drag: { x: true, y: false, setScale: false }, points: { show: false }, bind: { dblclick: () => () => { this.undo(); return null; }, mousedown: (plot, target, handle) => (event) => { if (event.shiftKey) this.drag(plot, event); else handle(event); return null; } } },
        series: [
          {},
          { stroke: trace + "90", width: 0.75, points: { show: false }, paths: path },
          { stroke: trace + "90", width: 0.75, points: { show: false }, paths: path },
          { stroke: trace, width: 1.5, paths: path, points: { show: (plot, index, from, to) => to - from < 2, size: 3, fill: trace } },
        ],
        bands: [{ series: [2, 1], fill: trace + "40" }],
        axes: [
          { ...axis, space: 80, values: (plot, splits, index, space, step) => splits.map((t, i) => (step < 1000 ? format(t, SECONDS) + (t % 1000 ? "." + String(Math.round(t % 1000)).padStart(3, "0").replace(/0+$/, "") : "") : step < 60000 ? format(t, SECONDS) : step < 86400000 ? (i === 0 || day(t) !== day(splits[i - 1]) ? format(t, CLOCK) + "\n" + day(t) : format(t, CLOCK)) : day(t))), size: 42 },
          { ...axis, size: 64, values: (plot, splits) => splits.map((v) => lh.number(v)) },
        ],
        hooks: {
          drawClear: [(plot) => this.under(plot, chart)],
          setSelect: [(plot) => { if (plot.select.width < 5) return; const a = plot.posToVal(plot.select.left, "x"), b = plot.posToVal(plot.select.left + plot.select.width, "x"); plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false); if (b - a >= MIN_SPAN_MS) { this.remember(); this.show(a, b, "zoom"); } }],
          setCursor: [(plot) => this.read(plot, chart)],
        },
      };
    }
    drag(plot, start) {
      const from = this.fromMs, to = this.toMs, perPixel = (to - from) / plot.over.clientWidth;
      this.remember();
      this.unwatch();
      this.mark("zoom");
      this.rolling = 0;
      const move = (event) => { const by = (start.clientX - event.clientX) * perPixel; this.fromMs = from + by; this.toMs = to + by; for (const chart of this.charts.values()) this.draw(chart); };
      const up = () => { removeEventListener("mousemove", move); removeEventListener("mouseup", up); this.show(this.fromMs, this.toMs, "zoom"); };
      addEventListener("mousemove", move);
      addEventListener("mouseup", up);
    }
    draw(chart) {
      const c = chart.columns;
      if (!c) return;
      chart.plot.setData([c.time, c.low, c.high, c.middle], true);
      if (chart.plot.cursor.idx === null || chart.plot.cursor.idx === undefined) this.read(chart.plot, chart);
    }
    read(plot, chart) {
      const c = chart.columns;
      if (!c || !c.time.length) { chart.readout.textContent = lh.say("no values in this span"); return; }
      let i = plot.cursor.idx;
      if (i === null || i === undefined || i >= c.time.length) { chart.readout.textContent = ""; return; }
      const at = whole(c.time[i]);
      if (c.middle[i] === null || c.middle[i] === undefined) { chart.readout.textContent = at + "  " + lh.say("no good value"); return; }
      const span = c.low[i] !== c.high[i] ? "  (" + lh.number(c.low[i]) + " … " + lh.number(c.high[i]) + ")" : "";
      chart.readout.textContent = at + "  " + lh.number(c.middle[i]) + " " + chart.signal.unit + span;
    }
    under(plot, chart) {
      const { ctx, bbox } = plot, [ll, l, h, hh] = chart.signal.limits, ratio = uPlot.pxRatio || devicePixelRatio;
      const y = (v) => Math.round(plot.valToPos(v, "y", true)), x = (t) => plot.valToPos(t, "x", true);
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      const top = bbox.top, bottom = bbox.top + bbox.height;
      ctx.fillStyle = color("panel-2");
      const upper = h ?? hh, lower = l ?? ll;
      if (upper !== null) ctx.fillRect(bbox.left, top, bbox.width, Math.max(0, y(upper) - top));
      if (lower !== null) ctx.fillRect(bbox.left, y(lower), bbox.width, Math.max(0, bottom - y(lower)));
      ctx.fillStyle = color("gap");
      for (const [a, b] of gapsOf(chart.columns, this.toMs)) { const left = Math.max(bbox.left, x(a)), right = Math.min(bbox.left + bbox.width, x(b)); if (right > left - 1) ctx.fillRect(left, top, Math.max(2 * ratio, right - left), bbox.height); }
      ctx.fillStyle = color("bad");
      const wide = Math.max(2 * ratio, (x(this.fromMs + STEP_MS[chart.resolution]) - x(this.fromMs)) || 0);
      for (const t of (chart.columns && chart.columns.bad) || []) if (t >= this.fromMs - 3600000 && t <= this.toMs) ctx.fillRect(x(t), bottom - 4 * ratio, wide, 4 * ratio);
      const line = (v, stroke, dashes, width) => { if (v === null || v === undefined) return; ctx.strokeStyle = stroke; ctx.lineWidth = width * ratio; ctx.setLineDash(dashes.map((d) => d * ratio)); ctx.beginPath(); ctx.moveTo(bbox.left, y(v)); ctx.lineTo(bbox.left + bbox.width, y(v)); ctx.stroke(); };
      line(l, color("warning"), [6, 4], 1.25);
      line(h, color("warning"), [6, 4], 1.25);
      line(ll, color("critical"), [], 1.25);
      line(hh, color("critical"), [], 1.25);
      ctx.restore();
    }

    /* -- texts -- */
    async loadStrips(turn) {
      for (const signal of this.strips) {
        const query = new URLSearchParams({ from_us: Math.round(this.fromMs * 1000), to_us: Math.round(this.toMs * 1000), most: MOST_TEXTS });
        try {
          const answer = await fetch("/api/v1/signals/" + signal.id + "/texts?" + query);
          if (turn !== this.turn || !answer.ok) return;
          this.drawStrip(signal, await answer.json(), MOST_TEXTS);
        } catch { return; }
      }
    }
    drawStrip(signal, texts, most) {
      signal.note.textContent = texts.length >= most ? lh.say("only the newest {n} changes of this span", { n: most }) : "";
      const span = this.toMs - this.fromMs, runs = [];
      for (const one of texts) { const last = runs[runs.length - 1], bad = one.status >>> 30 >= 2, shown = bad ? lh.say("bad value") : one.text === null ? "–" : one.text; if (!last || last.text !== shown) runs.push({ from: one.time_us / 1000, text: shown }); }
      const pieces = runs.map((run, i) => {
        const to = i + 1 < runs.length ? runs[i + 1].from : this.toMs, piece = lh.make("span", "", run.text);
        piece.style.left = (100 * (run.from - this.fromMs)) / span + "%";
        piece.style.width = Math.max(0, (100 * (to - run.from)) / span) + "%";
        piece.title = run.text + "  " + whole(run.from);
        return piece;
      });
      signal.strip.replaceChildren(...pieces);
    }
  }
  function push(columns, news) { for (const name of ["time", "low", "high", "middle"]) for (const value of news[name]) columns[name].push(value); }
  /* spans without a good value: from the last one before a null row to the next one after it */
  function gapsOf(columns, end) {
    const found = [];
    if (!columns) return found;
    const { time, middle } = columns;
    for (let i = 0; i < time.length; i++) {
      if (middle[i] !== null) continue;
      const from = i ? time[i - 1] : time[i];
      while (i < time.length && middle[i] === null) i++;
      found.push([from, i < time.length ? time[i] : end]);
    }
    return found;
  }
  function yRange(signal, low, high) {
    const marks = [low, high, signal.limits[1], signal.limits[2]].filter((v) => v !== null && v !== undefined && Number.isFinite(v));
    if (!marks.length) return [0, 1];
    let a = Math.min(...marks), b = Math.max(...marks);
    if (signal.as === "step") return [-0.15, 1.15];
    const span = b - a || Math.abs(b) * 0.02 || 1;
    return [a - 0.08 * span, b + 0.08 * span];
  }
})();

/* A control chart: points between their limits, zones, phases, what violates a rule; the spread below it, and a histogram. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const HEIGHT = 300, SPREAD = 150, LEFT = 66, RIGHT = 14, TOP = 12, BOTTOM = 26, MOST = 200, EVERY_MS = 5000;

  lh.whenPresent("[data-control-chart]", (place) => new ControlChart(place).stop);

  document.addEventListener("click", (event) => {
    const opener = event.target.closest && event.target.closest("[data-chart-open]");
    const place = document.querySelector("[data-control-chart]");
    if (!opener || !place || !place.chart) return;
    place.chart.open(Number(opener.dataset.chartOpen));
    place.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  });

  const NS = "http://www.w3.org/2000/svg";
  function svg(kind, attributes, ...children) {
    const made = document.createElementNS(NS, kind);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  class ControlChart {
    constructor(place) {
      this.place = place;
      place.chart = this;
      this.told = JSON.parse(place.dataset.controlChart);
      this.turn = 0;
      this.title = lh.make("div", "chart-title");
      this.canvas = lh.make("div", "chart-canvas");
      this.readout = lh.make("div", "readout small number");
      this.readout.setAttribute("aria-live", "polite");
      place.append(this.title, this.canvas, this.readout);
      // drawn anew for another width only: a readout of another height must not take a point away under the finger that clicks it
      this.resize = new ResizeObserver(() => { if (this.width() !== this.drawnWidth) this.draw(); });
      this.resize.observe(place);
      this.timer = setInterval(() => { if (this.id && !document.hidden) this.read(false); }, EVERY_MS);
      this.stop = () => { this.turn++; this.resize.disconnect(); clearInterval(this.timer); };
      const named = Number(new URLSearchParams(location.search).get("chart"));
      if (named > 0) this.open(named, false);
      else this.first();
    }
    async ask(address) {
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      const content = await answer.json();
      if (!answer.ok) throw new Error(content.error || answer.status);
      return content;
    }
    async first() {
      try {
        const found = await this.ask("/api/v1/charts"), order = { out_of_control: 0, in_control: 1, learning: 2 };
        found.sort((a, b) => order[a.state] - order[b.state] || b.points - a.points);
        if (found.length) this.open(found[0].id, false); else this.say(lh.say("No chart yet."));
      } catch (error) { this.failed(error); }
    }
    open(id, remember = true) {
      this.id = id;
      this.seen = null;
      window.dash_clientside.set_props("charts-chosen", { data: id });
      if (remember) history.replaceState(history.state, "", location.pathname + "?chart=" + id);
      this.say(lh.say("Loading…"));
      this.read(true);
    }
    async read(fresh) {
      const turn = ++this.turn;
      try {
        const [chart, points] = await Promise.all([this.ask("/api/v1/charts/" + this.id), this.ask("/api/v1/charts/" + this.id + "/points?most=" + MOST)]);
        if (turn !== this.turn) return;
        const seen = [chart.points, points.notes.length, points.phases.length].join();
        if (!fresh && seen === this.seen) return;
        this.seen = seen;
        this.chart = chart;
        this.points = points;
        this.draw();
        this.place.dataset.drawn = String(this.id);
      } catch (error) { if (turn === this.turn) this.failed(error); }
    }
    failed(error) { this.say(lh.say("The chart could not be read: {why}", { why: error.message }), true); }
    say(words, wrong) { this.title.replaceChildren(lh.make("div", wrong ? "notice wrong" : "quiet", words)); }
    time(us) { return new Date(us / 1000).toLocaleString(document.documentElement.lang, { timeZone: this.told.zone, hour12: false }); }
    figure(value) {
      if (value === null || value === undefined) return "–";
      return this.chart.kind === "p" ? lh.number(100 * value) + " %" : Number(value.toPrecision(6)).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 8 });
    }

    width() { return Math.max(300, this.place.clientWidth - 2); }
    draw() {
      if (!this.points) return;
      const told = this.points, width = this.drawnWidth = this.width(), wide = width > 760 && told.bins.length;
      const side = wide ? 210 : 0, plot = width - side;
      this.title.replaceChildren(lh.make("strong", "", this.chart.name));
      const parts = [this.plot(plot, HEIGHT, this.place_of(), true)];
      if (wide) parts.push(this.histogram(side, HEIGHT));
      const rows = [row(parts)];
      if (told.spread.some((value) => value !== null)) rows.push(row([this.plot(plot, SPREAD, this.spread_of(), false)]));
      this.canvas.replaceChildren(...rows);
    }
    unit() { return this.chart.unit.replace("N.m", "N·m").replace("deg", "°"); }
    place_of() {
      const told = this.points, cusum = this.chart.kind === "cusum";
      const name = { ewma: lh.say("average (EWMA)"), cusum: lh.say("sum above target (CUSUM)"), p: lh.say("share") }[this.chart.kind] || lh.say("value");
      return {
        values: told.value.map((v, n) => (v === null ? (cusum ? null : told.mean[n]) : v)), low: cusum ? told.low.map(() => null) : told.low, high: told.high,
        center: told.phase.map((phase) => { const own = told.phases.find((one) => one.phase === phase); return own && !cusum ? own.center : null; }),
        rules: told.rules, name, zones: !["ewma", "cusum", "p"].includes(this.chart.kind), spec: ["individuals"].includes(this.chart.kind),
      };
    }
    spread_of() {
      const told = this.points, cusum = this.chart.kind === "cusum", of = (key) => told.phase.map((phase) => { const own = told.phases.find((one) => one.phase === phase); return own ? own[key] : null; });
      const name = { individuals: lh.say("moving range"), xbar_r: lh.say("range"), xbar_s: lh.say("deviation"), cusum: lh.say("sum below target (CUSUM)") }[this.chart.kind] || "";
      return { values: told.spread, low: cusum ? of("none") : of("spread_low").map((v) => (v === 0 ? null : v)), high: cusum ? told.high : of("spread_high"), center: of("spread_center"), rules: told.spread_rules, name, zones: false, spec: false };
    }
    scale(of, height) {
      const lines = [of.values, of.low, of.high, of.center].flat().filter((v) => v !== null && v !== undefined);
      if (of.spec) lines.push(...[this.chart.low, this.chart.high].filter((v) => v !== null && near(v, lines)));
      let low = Math.min(...lines), high = Math.max(...lines);
      if (!(high > low)) { low -= 1; high += 1; }
      const room = (high - low) * 0.06;
      low -= room; high += room;
      return { low, high, y: (v) => TOP + (high - v) / (high - low) * (height - TOP - BOTTOM) };
    }
    plot(width, height, of, main) {
      const told = this.points, count = told.number.length, step = (width - LEFT - RIGHT) / Math.max(1, count), x = (n) => LEFT + (n + 0.5) * step;
      const { low, high, y } = this.scale(of, height);
      const out = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", class: "control", "aria-label": this.chart.name + ": " + of.name });
      for (const tick of ticks(low, high, main ? 6 : 3)) {
        out.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }), svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, this.figure(tick)));
      }
      out.append(svg("text", { x: 12, y: height / 2, transform: `rotate(-90 12 ${height / 2})`, "text-anchor": "middle" }, of.name + (this.unit() && main && this.chart.kind !== "p" ? " (" + this.unit() + ")" : "")));
      const stairs = (values, name) => {
        let path = "", pen = false;
        values.forEach((v, n) => { if (v === null || v === undefined) { pen = false; return; } path += (pen ? "L" : "M") + (x(n) - step / 2) + " " + y(v) + "L" + (x(n) + step / 2) + " " + y(v); pen = told.phase[n] === told.phase[n + 1]; });
        if (path) out.append(svg("path", { d: path, class: name }));
      };
      if (of.zones) for (const sigmas of [-2, -1, 1, 2]) stairs(of.center.map((c, n) => (c === null || of.high[n] === null ? null : c + sigmas * (of.high[n] - c) / 3)), "zone");
      stairs(of.center, "center"); stairs(of.low, "limit"); stairs(of.high, "limit");
      if (of.spec) for (const v of [this.chart.low, this.chart.high]) if (v !== null && v >= low && v <= high) out.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(v), y2: y(v), class: "spec" }));
      told.phase.forEach((phase, n) => {
        if (n && phase !== told.phase[n - 1]) out.append(svg("line", { x1: x(n) - step / 2, x2: x(n) - step / 2, y1: TOP, y2: height - BOTTOM, class: "phase" }), svg("text", { x: x(n) - step / 2 + 4, y: TOP + 10 }, phase ? lh.say("phase {n}", { n: phase }) : ""));
      });
      let line = "";
      of.values.forEach((v, n) => { if (v !== null) line += (line && of.values[n - 1] !== null ? "L" : "M") + x(n) + " " + y(v); });
      out.append(svg("path", { d: line, class: "run" }));
      const noted = new Set(told.notes.map((note) => note.number));
      of.values.forEach((v, n) => {
        if (v === null) return;
        const broken = of.rules[n].length > 0, group = svg("g", { class: "point" + (broken ? " broken" : "") });
        group.append(broken ? svg("rect", { x: x(n) - 4.5, y: y(v) - 4.5, width: 9, height: 9 }) : svg("circle", { cx: x(n), cy: y(v), r: Math.min(3, Math.max(1.5, step / 3)) }));
        if (noted.has(told.number[n])) group.append(svg("circle", { cx: x(n), cy: y(v), r: 8, class: "noted" }));
        group.append(svg("title", {}, this.words(n, of)));
        out.append(group);
      });
      [0, Math.floor(count / 2), count - 1].filter((n, at, all) => n >= 0 && n < count && all.indexOf(n) === at).forEach((n, at, all) => out.append(
        svg("text", { x: x(n), y: height - 8, "text-anchor": at === 0 ? "start" : at === all.length - 1 ? "end" : "middle" }, "#" + told.number[n] + " · " + this.time(told.time_us[n]))));
      const at = (event) => Math.min(count - 1, Math.max(0, Math.floor((event.clientX - out.getBoundingClientRect().left - LEFT) / step)));
      out.addEventListener("pointermove", (event) => { if (count) this.readout.textContent = this.words(at(event), of); });
      out.addEventListener("click", (event) => {
        if (!count) return;
        const n = at(event);
        this.readout.textContent = this.words(n, of);
        if (document.getElementById("charts-point")) window.dash_clientside.set_props("charts-point", { value: told.number[n] });
      });
      return out;
    }
    words(n, of) {
      const told = this.points, rules = of.rules[n].map((rule) => this.told.rules[rule] || rule), notes = told.notes.filter((note) => note.number === told.number[n]);
      return ["#" + told.number[n], this.time(told.time_us[n]), this.figure(of.values[n]) + (this.chart.kind === "p" ? " · n " + told.size[n] : " " + this.unit()), ...rules, ...notes.map((note) => note.cause + " (" + note.actor + ")")].join("   ");
    }
    histogram(width, height) {
      const told = this.points, { low, high, y } = this.scale(this.place_of(), height), bins = told.bins, most = Math.max(...told.counts);
      const bottom = Math.min(low, bins[0]), top = Math.max(high, bins[bins.length - 1]);
      const at = this.chart.kind === "individuals" ? y : (v) => TOP + (top - v) / (top - bottom || 1) * (height - TOP - BOTTOM);
      const out = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", class: "control", "aria-label": lh.say("Histogram") });
      told.counts.forEach((count, n) => { const y1 = at(bins[n + 1]), y2 = at(bins[n]); if (y2 > TOP - 1) out.append(svg("rect", { x: 10, y: y1, width: count / most * (width - 70), height: Math.max(1, y2 - y1 - 1), class: "bin" }, svg("title", {}, count + ": " + this.figure(bins[n]) + " … " + this.figure(bins[n + 1])))); });
      for (const v of [this.chart.low, this.chart.high]) {
        if (v === null) continue;
        const place = at(v);
        if (place < 0 || place > height - BOTTOM + 4) continue;
        out.append(svg("line", { x1: 4, x2: width - 50, y1: place, y2: place, class: "spec" }), svg("text", { x: width - 46, y: place + 4 }, this.figure(v)));
      }
      out.append(svg("text", { x: 10, y: height - 8 }, lh.say("Histogram")));
      return out;
    }
  }

  const row = (parts) => { const made = lh.make("div", "chart-row"); made.append(...parts); return made; };
  /* a specification far outside would press the points together */
  function near(v, lines) { const low = Math.min(...lines), high = Math.max(...lines), span = high - low || 1; return v > low - span && v < high + span; }
  function ticks(low, high, wanted) {
    const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
    const found = [];
    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) found.push(Number(v.toPrecision(12)));
    return found;
  }
})();

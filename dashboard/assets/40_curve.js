/* The curve of one tightening: torque over angle against its window, or torque and angle over time. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const HEIGHT = 380, REFERENCES = 5, BEFORE_SNUG = 40;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  lh.whenPresent("[data-curve]", (place) => new Curve(place).stop);

  document.addEventListener("click", (event) => {
    const opener = event.target.closest && event.target.closest("[data-tightening]");
    const place = document.querySelector("[data-curve]");
    if (!opener || !place || !place.curve) return;
    place.curve.open(Number(opener.dataset.tightening), true, Number(opener.dataset.joint) || null);
    place.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  });

  class Curve {
    constructor(place) {
      this.place = place;
      place.curve = this;
      this.turn = 0;
      this.mode = "snug";
      this.references = [];
      this.band = null;
      this.tools();
      this.facts = lh.make("div", "curve-facts");
      this.facts.setAttribute("aria-live", "polite");
      this.readout = lh.make("div", "readout small number");
      this.canvas = lh.make("div");
      this.canvas.setAttribute("role", "img");
      place.append(this.facts, this.canvas, this.readout);
      this.resize = new ResizeObserver(() => { if (this.plot && this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: HEIGHT }); });
      this.resize.observe(place);
      this.stop = () => { this.turn++; this.resize.disconnect(); if (this.plot) this.plot.destroy(); };
      const asked = new URLSearchParams(location.search), named = Number(asked.get("result"));
      if (named > 0) this.open(named, false, Number(asked.get("joint")) || null);
      else this.newest();
    }

    tools() {
      const bar = lh.make("div", "trend-tools");
      bar.setAttribute("role", "toolbar");
      bar.setAttribute("aria-label", lh.say("View of the curve"));
      this.buttons = new Map();
      const views = [["snug", lh.say("Torque over angle, from snug")], ["whole", lh.say("Torque over angle, whole")], ["time", lh.say("Over time")]];
      for (const [name, words] of views) {
        const made = lh.make("button", "tool", words);
        made.type = "button";
        made.addEventListener("click", () => { this.mode = name; this.mark(); this.draw(); });
        this.buttons.set(name, made);
        bar.append(made);
      }
      this.place.append(bar);
      this.mark();
    }
    mark() { for (const [name, made] of this.buttons) made.setAttribute("aria-pressed", name === this.mode ? "true" : "false"); }
    width() { return Math.max(280, this.place.clientWidth - 2); }

    async ask(address) {
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      const content = await answer.json();
      if (!answer.ok) throw new Error(content.error || answer.status);
      return content;
    }
    async newest() {
      try {
        const found = await this.ask("/api/v1/tightenings?most=30"), first = found.find((one) => one.has_curve);
        if (first) this.open(first.id, false); else this.say(lh.say("No curve yet."));
      } catch (error) { this.failed(error); }
    }
    async open(id, remember = true, joint = null) {
      const turn = ++this.turn;
      this.say(lh.say("Loading…"));
      try {
        const band = joint ? this.ask("/api/v1/joints/" + joint + "/band?language=" + document.documentElement.lang).catch(() => null) : null;
        const [told, curve] = await Promise.all([this.ask("/api/v1/tightenings/" + id), this.ask("/api/v1/tightenings/" + id + "/curve")]);
        const learned = await band;
        if (turn !== this.turn) return;
        this.told = told;
        this.points = ready(told, curve);
        this.references = [];
        this.band = learned;
        if (remember) history.replaceState(history.state, "", location.pathname + "?result=" + id);
        this.describe();
        this.draw();
        this.place.dataset.drawn = String(id);
        await this.compare(turn);
      } catch (error) { if (turn === this.turn) this.failed(error); }
    }
    async compare(turn) { // the last good ones before it show what is usual
      const told = this.told;
      const query = new URLSearchParams({ source: told.source, spindle: told.spindle, verdict: "ok", before: told.id, most: 40 });
      const found = (await this.ask("/api/v1/tightenings?" + query)).filter((one) => one.program === told.program && one.has_curve).slice(0, REFERENCES);
      const curves = await Promise.all(found.map((one) => this.ask("/api/v1/tightenings/" + one.id + "/curve").then((curve) => ready(one, curve))));
      if (turn !== this.turn || !curves.length) return;
      this.references = curves.filter((one) => one.x.length);
      this.draw();
    }
    failed(error) { this.say(lh.say("The curve could not be read: {why}", { why: error.message }), true); }
    say(words, wrong) {
      this.facts.replaceChildren(lh.make("div", wrong ? "notice wrong" : "quiet", words));
    }
    describe() {
      const told = this.told, unit = (value, name) => (value === null ? "–" : lh.number(value) + " " + name);
      const span = (low, high, name) => (low === null || high === null ? "" : " (" + lh.number(low) + " … " + lh.number(high) + " " + name + ")");
      const pairs = [
        [lh.say("Tightening"), String(told.tightening_id)],
        [lh.say("Part"), told.part || "–"],
        [lh.say("Bolt"), told.bolt === null ? "–" : told.bolt + (told.batch_size ? "/" + told.batch_size : "")],
        [lh.say("Spindle"), String(told.spindle)],
        [lh.say("Program"), ((told.program === null ? "" : told.program) + " " + told.program_name).trim() || "–"],
        [lh.say("Torque"), unit(told.torque_nm, "N·m") + span(told.torque_min_nm, told.torque_max_nm, "N·m")],
        [lh.say("Angle"), unit(told.angle_deg, "°") + span(told.angle_min_deg, told.angle_max_deg, "°")],
        [lh.say("Tool"), told.tool || "–"],
      ];
      const list = lh.make("dl", "facts");
      for (const [name, what] of pairs) { const entry = lh.make("div"); entry.append(lh.make("dt", "", name), lh.make("dd", "wrap", what)); list.append(entry); }
      this.facts.replaceChildren(list);
      if (this.band && this.band.words) this.facts.append(lh.make("p", "small quiet", this.band.words));
      this.canvas.setAttribute("aria-label", lh.say("Curve of tightening {n}", { n: told.tightening_id }));
    }

    draw() {
      if (!this.points) return;
      if (this.plot) { this.plot.destroy(); this.plot = null; }
      const time = this.mode === "time" || !this.points.hasAngle, own = this.points;
      const series = time ? [[own.ms, own.torque], [own.ms, own.angle]] : [[own.x, own.torque]];
      const references = time ? [] : this.references.map((one) => [one.x.map((x) => x - one.snug + own.snug), one.torque]);
      const xs = series[0][0], from = !time && this.mode === "snug" ? Math.max(xs[0], own.snug - BEFORE_SNUG) : xs[0];
      const last = Math.max(...xs), box = this.box();
      const end = !time && box ? Math.max(last, box.right) : last;
      const room = (end - from) * 0.03 || 1, tops = [...own.torque, box && !time ? box.high : 0].filter((v) => v !== null);
      const top = Math.max(...tops) * 1.06 || 1, bottom = Math.min(0, ...tops);
      const ink = color("ink-2"), grid = color("line"), trace = color("trace");
      const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 20 };
      const numbers = (plot, splits) => splits.map((v) => lh.number(v));
      const path = { points: { show: false }, paths: wander };
      const lines = [
        ...references.map(() => ({ ...path, stroke: color("band"), width: 1, facets: facets("y") })),
        { ...path, stroke: trace, width: 2, facets: facets("y") },
        ...(time && own.hasAngle ? [{ ...path, stroke: color("accent"), width: 1.5, dash: [6, 3], facets: facets("angle") }] : []),
      ];
      const data = [null, ...references, series[0], ...(time && own.hasAngle ? [series[1]] : [])];
      const axes = [
        { ...axis, values: numbers, label: time ? lh.say("Time") + " (ms)" : lh.say("Angle") + " (°)", size: 40 },
        { ...axis, values: numbers, scale: "y", label: lh.say("Torque") + " (N·m)", size: 56 },
      ];
      const scales = { x: { time: false, range: () => [from - room, end + room] }, y: { range: () => [bottom, top] } };
      if (time && own.hasAngle) {
        const most = Math.max(...own.angle.filter((v) => v !== null));
        scales.angle = { range: () => [0, most * 1.06 || 1] };
        axes.push({ ...axis, values: numbers, scale: "angle", side: 1, grid: { show: false }, label: lh.say("Angle") + " (°)", size: 56 });
      }
      this.plot = new uPlot({
        mode: 2, width: this.width(), height: HEIGHT, legend: { show: false }, padding: [8, 12, 0, 0], scales, axes,
        cursor: { drag: { x: false, y: false }, points: { show: false } },
        series: [{}, ...lines],
        hooks: { drawClear: [(plot) => this.under(plot, time)], setCursor: [(plot) => this.read(plot, time)] },
      }, data, this.canvas);
    }
    box() {
      const told = this.told;
      if ([told.torque_min_nm, told.torque_max_nm, told.angle_min_deg, told.angle_max_deg].includes(null) || !this.points.hasAngle || told.angle_deg === null) return null;
      return { left: this.points.snug + told.angle_min_deg, right: this.points.snug + told.angle_max_deg, low: told.torque_min_nm, high: told.torque_max_nm };
    }
    under(plot, time) {
      const { ctx, bbox } = plot, ratio = uPlot.pxRatio || devicePixelRatio, box = this.box();
      const x = (v) => plot.valToPos(v, "x", true), y = (v) => plot.valToPos(v, "y", true), own = this.points;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      if (!time && this.band && this.band.runs && own.hasAngle) { // between which torques good runs lie, over the angle before the end
        const end = Math.max(...own.x.filter((v) => v !== null)), { angle_deg: before, low_nm: low, high_nm: high } = this.band;
        ctx.beginPath();
        before.forEach((angle, n) => ctx.lineTo(x(end + angle), y(high[n])));
        for (let n = before.length - 1; n >= 0; n--) ctx.lineTo(x(end + before[n]), y(low[n]));
        ctx.closePath();
        ctx.globalAlpha = 0.35;
        ctx.fillStyle = color("band");
        ctx.fill();
        ctx.globalAlpha = 1;
      }
      if (!time && box) {
        ctx.fillStyle = color("in-range");
        ctx.fillRect(x(box.left), y(box.high), x(box.right) - x(box.left), y(box.low) - y(box.high));
        ctx.strokeStyle = color("critical");
        ctx.lineWidth = 1.5 * ratio;
        ctx.strokeRect(x(box.left), y(box.high), x(box.right) - x(box.left), y(box.low) - y(box.high));
      }
      ctx.font = 11 * ratio + "px system-ui, sans-serif";
      ctx.fillStyle = ctx.strokeStyle = color("ink-2");
      ctx.setLineDash([3 * ratio, 4 * ratio]);
      ctx.lineWidth = ratio;
      own.steps.forEach((start, n) => {
        const at = x(time ? own.ms[start] : own.x[start]);
        if (!(at >= bbox.left)) return;
        ctx.beginPath();
        ctx.moveTo(at, bbox.top);
        ctx.lineTo(at, bbox.top + bbox.height);
        ctx.stroke();
        ctx.fillText(lh.say("step {n}", { n: n + 1 }), at + 4 * ratio, bbox.top + 12 * ratio);
      });
      ctx.restore();
    }
    read(plot, time) {
      const own = this.points, left = plot.cursor.left;
      if (left === undefined || left < 0) { this.readout.textContent = "\u00a0"; return; }
      const wanted = plot.posToVal(left, "x"), xs = time ? own.ms : own.x;
      let best = 0;
      for (let i = 1; i < xs.length; i++) if (Math.abs(xs[i] - wanted) < Math.abs(xs[best] - wanted)) best = i;
      const torque = own.torque[best], angle = own.angle[best];
      this.readout.textContent = lh.number(own.ms[best]) + " ms   " + (torque === null ? "–" : lh.number(torque) + " N·m") + "   " + (angle === null || angle === undefined ? "–" : lh.number(angle) + " °");
    }
  }

  const facets = (scale) => [{ scale: "x", auto: false }, { scale, auto: false }];

  /* a line through points whose x may go back: the tool turns back a little where it lets go */
  function wander(plot, seriesIndex) {
    const series = plot.series[seriesIndex], [xs, ys] = plot.data[seriesIndex], { ctx, bbox } = plot;
    const scaleY = series.facets[1].scale;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.strokeStyle = typeof series.stroke === "function" ? series.stroke(plot, seriesIndex) : series.stroke;
    ctx.lineWidth = series.width * (uPlot.pxRatio || devicePixelRatio);
    ctx.lineJoin = "round";
    ctx.setLineDash((series.dash || []).map((d) => d * (uPlot.pxRatio || devicePixelRatio)));
    ctx.beginPath();
    let pen = false;
    for (let i = 0; i < xs.length; i++) {
      if (xs[i] === null || ys[i] === null || ys[i] === undefined) { pen = false; continue; }
      const px = plot.valToPos(xs[i], "x", true), py = plot.valToPos(ys[i], scaleY, true);
      if (pen) ctx.lineTo(px, py); else ctx.moveTo(px, py);
      pen = true;
    }
    ctx.stroke();
    ctx.restore();
    return null;
  }

  function ready(told, curve) {
    const torque = curve.torque_nm || curve.elapsed_ms.map(() => null), hasAngle = Boolean(curve.angle_deg);
    const angle = curve.angle_deg || [], x = hasAngle ? angle : curve.elapsed_ms;
    const most = hasAngle ? Math.max(...angle.filter((v) => v !== null)) : 0;
    /* the controller counts the angle from snug on, the trace from the start of the tool */
    const snug = hasAngle && told.angle_deg !== null ? most - told.angle_deg : x[0];
    return { x, torque, angle, ms: curve.elapsed_ms, steps: curve.steps, hasAngle, snug };
  }
})();

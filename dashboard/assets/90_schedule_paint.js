/* How a plan is drawn: lanes over time on one canvas. Only what can be seen is drawn; what is thinner than two pixels is drawn as one block. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const AXIS = 44, GROUP = 24, MINUTE = 60000, HOUR = 3600000, DAY = 86400000;
  const STEPS = [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];
  const STARTED = 1, FROZEN = 2, PERSON = 3;
  const formats = new Map();
  function format(ms, options) {
    const key = JSON.stringify(options);
    if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("sv-SE", { timeZone: lh.zone, hour12: false, ...options }));
    return formats.get(key).format(ms);
  }
  const clock = (ms) => format(ms, { hour: "2-digit", minute: "2-digit" });
  const day = (ms) => format(ms, { year: "numeric", month: "2-digit", day: "2-digit" }).slice(5);
  const moment = (ms) => format(ms, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  /* what datetime-local inputs hold is plant time: shift by the zone's offset at that moment */
  const offsetAt = (ms) => Date.parse(format(ms, { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" }).replace(" ", "T") + "Z") - Math.floor(ms / 1000) * 1000;
  const toInput = (ms) => new Date(ms + offsetAt(ms)).toISOString().slice(0, 16);
  function fromInput(text) { const asUtc = Date.parse(text + "Z"); return Number.isFinite(asUtc) ? asUtc - offsetAt(asUtc - offsetAt(asUtc)) : NaN; }

  function colours() {
    const style = getComputedStyle(document.documentElement), found = {};
    for (const name of ["ground", "panel", "panel-2", "line", "ink", "ink-2", "band", "in-range", "accent", "critical", "warning", "warning-fill", "warning-ink", "bad", "focus", "good"]) found[name] = style.getPropertyValue("--" + name).trim();
    found.family = getComputedStyle(document.body).fontFamily;
    return found;
  }

  /* first of a sorted column that is at least as large */
  function lowest(column, value) {
    let low = 0, high = column.length;
    while (low < high) { const middle = (low + high) >> 1; if (column[middle] < value) low = middle + 1; else high = middle; }
    return low;
  }

  function paint(view) {
    const { canvas, width, height } = view, scale = devicePixelRatio || 1, g = canvas.getContext("2d"), c = colours();
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.width = width + "px";
      canvas.style.height = height + "px";
    }
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.fillStyle = c.panel;
    g.fillRect(0, 0, width, height);
    g.textBaseline = "middle";
    const seen = view.lanes.filter((lane) => lane.top + lane.height > view.scroll && lane.top < view.scroll + height - AXIS);
    const x = (ms) => view.left + (ms - view.fromMs) * view.perMs, y = (lane) => AXIS + lane.top - view.scroll;
    g.save();
    g.beginPath();
    g.rect(view.left, 0, width - view.left, height);
    g.clip();
    view.drawn = 0;
    grounds(g, c, view, seen, x, y);
    hours(g, c, view, x);
    for (const lane of seen) if (lane.kind !== "group") bars(g, c, view, lane, x, y(lane));
    path(g, c, view, x, y);
    ghost(g, c, view, x, y);
    if (view.nowMs >= view.fromMs && view.nowMs <= view.toMs) {
      const at = Math.round(x(view.nowMs));
      g.fillStyle = c.ink;
      g.fillRect(at - 1, AXIS - 16, 2, height);
    }
    g.restore();
    axis(g, c, view, x);
    names(g, c, view, seen, y);
  }

  /* closed time grey, a breakdown hatched, the frozen zone shaded */
  function grounds(g, c, view, seen, x, y) {
    for (const lane of seen) {
      const top = y(lane);
      if (lane.kind === "group") { g.fillStyle = c["panel-2"]; g.fillRect(view.left, top, view.width, lane.height); continue; }
      g.fillStyle = c.line;
      g.fillRect(view.left, top + lane.height - 1, view.width, 1);
      for (const [from, to] of lane.closed) {
        if (to < view.fromMs || from > view.toMs) continue;
        const a = Math.max(view.left, x(from)), b = Math.min(view.width, x(to));
        if (b - a < 0.5) continue;
        g.fillStyle = c["panel-2"];
        g.fillRect(a, top, b - a, lane.height - 1);
      }
      for (const [from, to, words] of lane.stops) {
        if (to < view.fromMs || from > view.toMs) continue;
        const a = Math.max(view.left - 4, x(from)), b = Math.min(view.width + 4, x(to));
        hatch(g, a, top + 1, b - a, lane.height - 3, c.critical);
        if (b - a > 60) { g.fillStyle = c.panel; const size = text(g, c, words, 12, 600); g.fillRect(a + 4, top + 3, Math.min(size + 8, b - a - 8), 16); g.fillStyle = c.critical; g.fillText(cut(g, words, b - a - 16), a + 8, top + 11); }
      }
    }
    if (view.frozenMs > view.nowMs) {
      const a = Math.max(view.left, x(view.nowMs)), b = x(view.frozenMs);
      if (b > a) { g.globalAlpha = 0.1; g.fillStyle = c.ink; g.fillRect(a, AXIS, b - a, view.height); g.globalAlpha = 1; g.setLineDash([4, 4]); line(g, c["ink-2"], 1, [[b, AXIS], [b, view.height]]); g.setLineDash([]); }
    }
  }
  function hours(g, c, view, x) {
    g.fillStyle = c.line;
    g.globalAlpha = 0.6;
    for (const ms of marks(view)) g.fillRect(Math.round(x(ms)), AXIS, 1, view.height);
    g.globalAlpha = 1;
  }
  function marks(view) {
    const step = stepOf(view), found = [];
    let ms = Math.ceil((view.fromMs + offsetAt(view.fromMs)) / step) * step;
    for (; found.length < 500; ms += step) { const at = ms - offsetAt(ms - offsetAt(ms)); if (at > view.toMs) break; found.push(at); }
    return found;
  }
  function stepOf(view) { return STEPS.find((step) => step * view.perMs >= 74) || STEPS[STEPS.length - 1]; }
  function axis(g, c, view, x) {
    g.fillStyle = c.panel;
    g.fillRect(0, 0, view.width, AXIS);
    line(g, c.line, 1, [[0, AXIS - 0.5], [view.width, AXIS - 0.5]]);
    const step = stepOf(view);
    let shownDay = "", free = -Infinity;
    for (const ms of marks(view)) {
      const at = x(ms), today = day(ms);
      if (at < view.left - 1) continue;
      if (today !== shownDay && at > free) { text(g, c, today, 12, 600); g.fillStyle = c.ink; g.fillText(today, at + 3, 12); shownDay = today; free = at + 48; }
      if (step < DAY) { text(g, c, "", 12, 400); g.fillStyle = c["ink-2"]; g.fillText(clock(ms), at + 3, 32); }
      line(g, c.line, 1, [[Math.round(at) + 0.5, 24], [Math.round(at) + 0.5, AXIS]]);
    }
    const now = x(view.nowMs);
    if (now >= view.left && now <= view.width) {
      const words = lh.say("now") + " " + clock(view.nowMs), size = text(g, c, words, 12, 700) + 10, at = Math.min(Math.max(view.left, now - size / 2), view.width - size);
      g.fillStyle = c.ink;
      g.fillRect(at, AXIS - 20, size, 18);
      g.fillStyle = c.panel;
      g.fillText(words, at + 5, AXIS - 11);
    }
  }
  function names(g, c, view, seen, y) {
    g.save();
    g.beginPath();
    g.rect(0, AXIS, view.left, view.height);
    g.clip();
    for (const lane of seen) {
      const top = y(lane);
      g.fillStyle = lane.kind === "group" ? c["panel-2"] : c.panel;
      g.fillRect(0, top, view.left, lane.height);
      g.fillStyle = c.line;
      g.fillRect(0, top + lane.height - 1, view.left, 1);
      const late = lane.late && lane.kind !== "group";
      text(g, c, "", lane.height < 30 ? 12 : 13, lane.kind === "group" || late ? 600 : 400);
      g.fillStyle = lane.kind === "group" ? c["ink-2"] : late ? c.warning : c.ink;
      g.fillText(cut(g, (late ? "▲ " : "") + lane.name, view.left - 16), 8, top + lane.height / 2 - (lane.words && lane.height > 30 ? 7 : 0));
      if (lane.words && lane.height > 30) { text(g, c, "", 11, 400); g.fillStyle = c["ink-2"]; g.fillText(cut(g, lane.words, view.left - 16), 8, top + lane.height / 2 + 9); }
    }
    g.restore();
    line(g, c.line, 1, [[view.left - 0.5, 0], [view.left - 0.5, view.height]]);
  }

  function bars(g, c, view, lane, x, top) {
    const { plan } = view, pad = lane.height > 30 ? 6 : 3, h = lane.height - 2 * pad - 1, from = lane.start, operations = lane.operations;
    let n = lowest(lane.reach, view.fromMs), blockFrom = NaN, blockTo = NaN, blockLate = false;
    const flush = () => {
      if (Number.isNaN(blockFrom)) return;
      g.fillStyle = c.band;
      g.fillRect(blockFrom, top + pad, Math.max(1, blockTo - blockFrom), h);
      if (blockLate) { g.fillStyle = c["warning-fill"]; g.fillRect(blockFrom, top + pad + h - 4, Math.max(1, blockTo - blockFrom), 4); }
      view.drawn++;
      blockFrom = NaN;
      blockLate = false;
    };
    for (; n < operations.length && from[n] <= view.toMs; n++) {
      const o = operations[n], a = x(plan.fromMs[o]), b = x(plan.toMs[o]), setup = plan.setupMs[o] < plan.fromMs[o] ? x(plan.setupMs[o]) : a;
      if (view.hidden && view.hidden(o)) continue;
      const late = plan.late[plan.job[o]] > 0 && view.colour === "late";
      if (b - setup < 2 && o !== view.chosen) {
        if (!(a <= blockTo + 1)) { flush(); blockFrom = a; blockTo = b; } else blockTo = Math.max(blockTo, b);
        blockLate = blockLate || late;
        continue;
      }
      flush();
      view.drawn++;
      bar(g, c, view, o, Math.max(a, view.left - 8), Math.min(b, view.width + 8), Math.max(setup, view.left - 8), top + pad, h, late);
    }
    flush();
    for (const trip of lane.trips || []) {
      const a = x(plan.tripFromMs[trip]), b = x(plan.tripToMs[trip]);
      if (b < view.left || a > view.width) continue;
      g.fillStyle = c["in-range"];
      g.fillRect(a, top + pad, Math.max(1, b - a), h);
      if (b - a > 34) { text(g, c, "", 11, 400); g.fillStyle = c.ink; g.fillText(cut(g, plan.jobName[plan.job[plan.tripOperation[trip]]], b - a - 6), a + 3, top + pad + h / 2); }
    }
  }
  function bar(g, c, view, o, a, b, setup, top, h, late) {
    const { plan } = view, w = Math.max(1.5, b - a - (b - a > 6 ? 1 : 0)), chosenJob = view.chosen >= 0 && plan.job[view.chosen] === plan.job[o];
    const faded = view.marked && !view.marked(o);
    g.globalAlpha = faded ? 0.3 : 1;
    if (setup < a) { g.fillStyle = c["ink-2"]; g.fillRect(setup, top + h / 2 - 2, a - setup, 4); g.fillRect(setup, top + h / 2 - 6, 1.5, 12); }
    g.fillStyle = c["in-range"];
    if (view.colour === "moved" && (plan.moved[o] || plan.elsewhere[o])) { g.fillStyle = c.panel; g.fillRect(a, top, w, h); g.globalAlpha *= 0.25 + 0.5 * Math.min(1, Math.abs(plan.moved[o]) / (8 * HOUR)); g.fillStyle = c.accent; }
    g.fillRect(a, top, w, h);
    g.globalAlpha = faded ? 0.3 : 1;
    if (plan.lock[o] === STARTED) { const until = view.left + (Math.min(view.nowMs, plan.toMs[o]) - view.fromMs) * view.perMs; if (until > a) { g.fillStyle = c.band; g.fillRect(a, top, until - a, h); } }
    if (late) { g.fillStyle = c["warning-fill"]; g.fillRect(a, top + h - 5, w, 5); }
    if (w > 3) { g.strokeStyle = chosenJob ? c.accent : c.band; g.lineWidth = chosenJob ? 2 : 1; g.strokeRect(a + 0.5, top + 0.5, w - 1, h - 1); }
    if (o === view.chosen) { g.strokeStyle = c.focus; g.lineWidth = 3; g.strokeRect(a - 1.5, top - 1.5, w + 3, h + 3); }
    let inset = 5;
    if (plan.lock[o] === PERSON && w > 16) { padlock(g, c, a + 5, top + h / 2); inset = 18; }
    if (view.colour === "moved" && (plan.moved[o] || plan.elsewhere[o]) && w > 16) {
      text(g, c, "", 13, 700);
      g.fillStyle = c.ink;
      g.fillText(plan.elsewhere[o] ? "⇅" : plan.moved[o] > 0 ? "→" : "←", a + inset, top + h / 2);
      inset += 15;
    }
    const last = late && plan.lastOf[plan.job[o]] === o, room = w - inset - (last ? 20 : 4);
    if (room > 16) {
      const two = h > 28 && plan.name[o];
      text(g, c, "", 11, 400);
      const first = tail(g, view.by === "unit" ? plan.jobName[plan.job[o]] : plan.unitName[plan.unit[o]], room), second = two ? cut(g, plan.name[o], room, 4) : "";
      g.fillStyle = c.ink;
      g.fillText(first, a + inset, top + h / 2 - (second ? 6 : 0));
      g.fillStyle = c["ink-2"];
      if (second) g.fillText(second, a + inset, top + h / 2 + 8);
    }
    if (last && w > 14) { g.fillStyle = c.warning; g.beginPath(); g.moveTo(b - 9, top + 4); g.lineTo(b - 3, top + 15); g.lineTo(b - 15, top + 15); g.fill(); }
    g.globalAlpha = 1;
  }
  /* how the chosen part goes from unit to unit */
  function path(g, c, view, x, y) {
    if (view.chosen < 0) return;
    const { plan } = view, points = [];
    for (const o of plan.operationsOf(plan.job[view.chosen])) {
      const lane = view.laneOf(o);
      if (lane) { const middle = y(lane) + lane.height / 2; points.push([x(plan.fromMs[o]), middle], [x(plan.toMs[o]), middle]); }
    }
    g.globalAlpha = 0.75;
    for (let n = 1; n + 1 < points.length; n += 2) line(g, c.accent, 2, [points[n], points[n + 1]]);
    g.globalAlpha = 1;
    const due = plan.dueMs[plan.job[view.chosen]];
    if (due !== null) {
      const at = x(due);
      g.setLineDash([2, 3]);
      line(g, c.accent, 2, [[at, AXIS], [at, view.height]]);
      g.setLineDash([]);
      const words = lh.say("due"), size = text(g, c, words, 12, 600);
      g.fillStyle = c.panel;
      g.fillRect(at - size - 8, AXIS + 2, size + 6, 16);
      g.fillStyle = c.accent;
      g.fillText(words, at - size - 5, AXIS + 10);
    }
  }
  /* where a dragged operation would lie: green line and tick, or red and cross; words say the same beside the drawing */
  function ghost(g, c, view, x, y) {
    const to = view.ghost;
    if (!to) return;
    const lane = view.lanes.find((one) => one.kind === "unit" && one.unit === to.unit) || view.laneOf(to.operation);
    if (!lane) return;
    const a = x(to.fromMs), b = Math.max(a + 4, x(to.toMs)), top = y(lane) + 3, h = lane.height - 7, colour = to.state === "good" ? c.good : to.state === "wrong" ? c.critical : c["ink-2"];
    g.globalAlpha = 0.85;
    g.fillStyle = c.panel;
    g.fillRect(a, top, b - a, h);
    g.globalAlpha = 1;
    if (to.state === "wrong") hatch(g, a, top, b - a, h, c.critical);
    g.strokeStyle = colour;
    g.lineWidth = 3;
    g.setLineDash(to.state === "waiting" ? [5, 4] : []);
    g.strokeRect(a, top, b - a, h);
    g.setLineDash([]);
    const words = (to.state === "good" ? "✓ " : to.state === "wrong" ? "✕ " : "") + clock(to.fromMs), size = text(g, c, words, 13, 700);
    g.fillStyle = c.panel;
    g.fillRect(a + 2, top + h / 2 - 9, size + 8, 18);
    g.fillStyle = colour;
    g.fillText(words, a + 6, top + h / 2);
  }

  function text(g, c, words, size, weight) { g.font = weight + " " + size + "px " + c.family; return g.measureText(words).width; }
  const widths = new Map();
  function cut(g, words, room, least = 1) { // shortened at its end; nothing where too few letters would be left
    const found = shortened(g, words, room);
    return found === words || found.length > least ? found : "";
  }
  function tail(g, words, room) { // names differ at their ends: what is too long loses its beginning
    if (g.measureText(words).width <= room) return words;
    const parts = words.split(/(?=[-_ ./])/);
    for (let n = 1; n < parts.length; n++) { const rest = parts.slice(n).join("").replace(/^[-_ ./]/, ""); if (rest.length > 2 && g.measureText(rest).width <= room) return rest; }
    return "";
  }
  function shortened(g, words, room) {
    const key = g.font.slice(0, 12) + Math.floor(room / 4) + "|" + words;
    let found = widths.get(key);
    if (found === undefined) {
      found = words;
      if (g.measureText(words).width > room) {
        let low = 0, high = words.length;
        while (low < high) { const middle = (low + high + 1) >> 1; if (g.measureText(words.slice(0, middle) + "…").width <= room) low = middle; else high = middle - 1; }
        found = low ? words.slice(0, low) + "…" : "";
      }
      if (widths.size > 20000) widths.clear();
      widths.set(key, found);
    }
    return found;
  }
  function line(g, colour, width, points) { g.strokeStyle = colour; g.lineWidth = width; g.beginPath(); points.forEach(([a, b], n) => (n ? g.lineTo(a, b) : g.moveTo(a, b))); g.stroke(); }
  function hatch(g, a, top, w, h, colour) {
    if (w <= 0) return;
    g.save();
    g.beginPath();
    g.rect(a, top, w, h);
    g.clip();
    g.strokeStyle = colour;
    g.lineWidth = 1.5;
    g.beginPath();
    for (let at = a - h; at < a + w; at += 8) { g.moveTo(at, top + h); g.lineTo(at + h, top); }
    g.stroke();
    g.strokeRect(a + 0.75, top + 0.75, w - 1.5, h - 1.5);
    g.restore();
  }
  function padlock(g, c, a, middle) {
    g.fillStyle = c.ink;
    g.fillRect(a, middle - 2, 10, 8);
    g.strokeStyle = c.ink;
    g.lineWidth = 1.6;
    g.beginPath();
    g.arc(a + 5, middle - 2, 3.2, Math.PI, 0);
    g.stroke();
  }

  lh.schedule = { AXIS, GROUP, HOUR, DAY, STARTED, FROZEN, PERSON, paint, lowest, clock, day, moment, toInput, fromInput };
})();

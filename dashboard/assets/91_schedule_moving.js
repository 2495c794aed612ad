/* Moving an operation: by dragging it, or by the form beside the drawing. Each place it would come to is checked by the server at once,
   and what is wrong with it is said in words; only what was found without fault is kept, as a person's lock. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh || !lh.schedule) return;
  const { STARTED, PERSON, toInput, fromInput, moment } = lh.schedule;
  const FAR = 5, STEPS = [60000, 5 * 60000, 15 * 60000, 30 * 60000, 3600000];

  class Moving {
    constructor(view) {
      this.view = view;
      this.held = null;
      this.asking = false;
      this.next = null;
      this.turn = 0;
      this.form = lh.make("form", "schedule-form hidden");
      this.said = lh.make("div", "schedule-said");
      this.said.setAttribute("role", "status");
      this.form.addEventListener("submit", (event) => { event.preventDefault(); this.keepForm(); });
    }
    may(o) { return this.view.told.may && this.view.changeable && this.view.plan.lock[o] !== STARTED; }

    /* -- dragging -- */
    hold(o, event) {
      const { plan } = this.view;
      this.held = { operation: o, x: event.clientX, y: event.clientY, fromMs: plan.fromMs[o], moving: false, id: event.pointerId };
    }
    drag(event) {
      const { view, held } = this;
      if (!held || event.pointerId !== held.id) return false;
      if (!held.moving) {
        if (Math.hypot(event.clientX - held.x, event.clientY - held.y) < FAR) return true;
        if (!this.may(held.operation)) { this.held = null; return false; }
        held.moving = true;
        view.place.classList.add("dragging");
      }
      const step = STEPS.find((one) => one * view.perMs >= 3) || STEPS[STEPS.length - 1];
      const fromMs = Math.round((held.fromMs + (event.clientX - held.x) / view.perMs) / step) * step, box = view.canvas.getBoundingClientRect();
      const lane = view.laneAt(event.clientY - box.top), unit = lane && lane.kind === "unit" && view.by === "unit" ? lane.unit : view.plan.unit[held.operation];
      this.to(held.operation, unit, fromMs);
      return true;
    }
    to(operation, unit, fromMs) {
      const { view } = this, { plan } = view, before = view.ghost;
      if (before && before.operation === operation && before.unit === unit && before.fromMs === fromMs) return;
      view.ghost = { operation, unit, fromMs, toMs: fromMs + (plan.toMs[operation] - plan.fromMs[operation]), state: "waiting" };
      view.draw();
      this.check(view.ghost);
    }
    async drop() {
      const { held, view } = this;
      this.held = null;
      view.place.classList.remove("dragging");
      if (!held || !held.moving || !view.ghost) return false;
      await this.settle(view.ghost);
      return true;
    }
    cancel() { this.held = null; this.turn++; this.view.ghost = null; this.view.place.classList.remove("dragging"); this.say(""); this.view.draw(); }

    /* -- checking: one question at a time, then the newest -- */
    async check(ghost) {
      if (this.asking) { this.next = ghost; return; }
      this.asking = true;
      const turn = this.turn;
      try {
        const found = await this.view.ask(this.view.base() + "/check", this.body(ghost));
        ghost.state = found.faults.length ? "wrong" : "good";
        ghost.faults = found.faults;
        ghost.moved = found.moved;
        if (found.start_us !== null) { ghost.shownMs = found.start_us / 1000; ghost.toMs = ghost.fromMs + (found.end_us - found.start_us) / 1000; }
      } catch (error) { ghost.state = "wrong"; ghost.faults = [error.message]; }
      this.asking = false;
      if (ghost.settled) ghost.settled();
      if (turn === this.turn && this.view.ghost === ghost) { this.tell(ghost); this.view.draw(); }
      const next = this.next;
      this.next = null;
      if (next && next.state === "waiting") this.check(next);
    }
    body(ghost) { return { act: "move", operation: this.view.plan.row[ghost.operation], unit: this.view.plan.unitName[ghost.unit], start_us: Math.round(ghost.fromMs * 1000) }; }
    tell(ghost) {
      const { plan } = this.view, words = { what: this.view.nameOf(ghost.operation), unit: plan.unitName[ghost.unit], time: moment(ghost.fromMs) };
      if (ghost.state === "good") this.say(ghost.moved ? lh.say("{what} can go to {unit} at {time}; {n} others give way.", { ...words, n: ghost.moved }) : lh.say("{what} can go to {unit} at {time}.", words), "good");
      else this.say([lh.say("{what} cannot go to {unit} at {time}:", words), ...(ghost.faults || [])], "wrong");
    }
    /* keeps what was found without fault, after its check has come back */
    async settle(ghost) {
      if (ghost.state === "waiting") await new Promise((done) => { ghost.settled = done; });
      const { view } = this;
      if (ghost.state !== "good") { this.tell(ghost); if (view.ghost === ghost) view.ghost = null; view.draw(); view.place.dataset.refused = String(Number(view.place.dataset.refused || 0) + 1); return; }
      await this.keep(this.body(ghost), lh.say("{what} goes to {unit} at {time}, locked by you. The plan around it is made anew.", { what: view.nameOf(ghost.operation), unit: view.plan.unitName[ghost.unit], time: moment(ghost.fromMs) }));
    }
    async keep(body, words) {
      const { view } = this;
      try {
        await view.ask("/api/v1/plan/edits", { plan: view.plan.id, ...body });
        this.say(words, "good");
        view.place.dataset.kept = String(Number(view.place.dataset.kept || 0) + 1);
      } catch (error) { this.say([lh.say("Not kept:"), error.message], "wrong"); view.place.dataset.refused = String(Number(view.place.dataset.refused || 0) + 1); }
      view.ghost = null;
      view.read();
    }
    say(words, look) {
      const [first, ...rest] = Array.isArray(words) ? words : [words];
      this.said.className = "schedule-said" + (look ? " notice " + look : "");
      this.said.replaceChildren(lh.make("strong", "", (look === "good" ? "✓ " : look === "wrong" ? "✕ " : "") + first));
      if (rest.length) { const list = lh.make("ul", "problems"); for (const one of rest.slice(0, 6)) list.append(lh.make("li", "", one)); this.said.append(list); }
      if (!first) this.said.replaceChildren();
    }

    /* -- the form: the same without a pointer -- */
    async show(o) {
      const { view } = this, turn = ++this.turn;
      this.form.replaceChildren();
      this.form.classList.toggle("hidden", o < 0 || !this.may(o));
      if (o < 0 || !this.may(o)) return;
      const row = view.plan.row[o];
      let found;
      try { found = await view.ask(view.base() + "/operations/" + row + "/alternatives"); } catch (error) { this.say([error.message], "wrong"); return; }
      if (turn !== this.turn) return;
      const field = (words, input) => { const label = lh.make("label", "small", words); label.append(input); return label; };
      this.unit = lh.make("select");
      this.unit.name = "unit";
      for (const one of found) { const option = lh.make("option", "", one.unit + " · " + lh.age((one.duration_us || 0) / 1000)); option.value = one.unit; option.selected = one.is_planned; this.unit.append(option); }
      this.start = lh.make("input");
      this.start.type = "datetime-local";
      this.start.name = "start";
      this.start.value = toInput(view.plan.fromMs[o]);
      const move = lh.make("button", "button first", lh.say("Move and lock"));
      move.type = "submit";
      const locked = view.plan.lock[o] === PERSON, lock = lh.make("button", "button", locked ? lh.say("Unlock") : lh.say("Lock here"));
      lock.type = "button";
      lock.addEventListener("click", () => this.keep({ act: locked ? "unlock" : "lock", operation: row }, locked ? lh.say("The lock is taken away.") : lh.say("Locked where it stands.")));
      this.form.append(lh.make("h3", "", lh.say("Move without dragging")), field(lh.say("Unit"), this.unit), field(lh.say("Start"), this.start), move, lock);
      for (const input of [this.unit, this.start]) input.addEventListener("change", () => this.tryForm());
      this.form.dataset.ready = String(row);
    }
    tryForm() {
      const { view } = this, fromMs = fromInput(this.start.value), unit = view.plan.unitName.indexOf(this.unit.value);
      if (!Number.isFinite(fromMs) || unit < 0 || view.chosen < 0) { this.say([lh.say("Write date and time of the start.")], "wrong"); return null; }
      const o = view.chosen;
      if (view.ghost && view.ghost.operation === o && view.ghost.unit === unit && view.ghost.fromMs === fromMs) return view.ghost;
      this.to(o, unit, fromMs);
      view.show(fromMs);
      return view.ghost;
    }
    async keepForm() { const ghost = this.tryForm(); if (ghost) await this.settle(ghost); }
  }

  lh.schedule.Moving = Moving;
})();

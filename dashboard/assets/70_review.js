/* Keys of the review page: each button that has a letter is pressed by it, unless somebody types. And buttons of a list that is drawn
   again and again: which picture they open is kept beside the list, so that no click is lost with the row it was on. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  lh.whenPresent("[data-review-keys]", (page) => {
    const press = (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
      const wanted = event.key.toLowerCase();
      const button = [...page.querySelectorAll("button[data-key]")].find((one) => one.dataset.key === wanted);
      if (button) { event.preventDefault(); button.click(); }
    };
    document.addEventListener("keydown", press);
    page.dataset.keysReady = "1";
    return () => document.removeEventListener("keydown", press);
  });
  /* A box drawn over the picture, kept in the pixels of the picture: what the model did not find. */
  lh.whenPresent("[data-draws]", (panel) => {
    const { inspection, width, height } = JSON.parse(panel.dataset.draws);
    const place = panel.querySelector(".vision-picture"), boxes = [];
    if (!place) return;
    const shown = () => {
      const box = place.getBoundingClientRect(), scale = Math.min(box.width / width, box.height / height);
      return { scale, left: (box.width - width * scale) / 2, top: (box.height - height * scale) / 2, box };
    };
    const at = (event) => {
      const { scale, left, top, box } = shown();
      const inside = (value, most) => Math.min(Math.max(value, 0), most);
      return [inside((event.clientX - box.left - left) / scale, width), inside((event.clientY - box.top - top) / scale, height)];
    };
    const lay = (frame, [left, top, right, bottom]) => {
      const now = shown(), css = (value, side, whole) => (100 * (value * now.scale + side)) / whole + "%";
      Object.assign(frame.style, {
        left: css(left, now.left, now.box.width), top: css(top, now.top, now.box.height),
        width: (100 * (right - left) * now.scale) / now.box.width + "%", height: (100 * (bottom - top) * now.scale) / now.box.height + "%",
      });
    };
    let from = null, frame = null;
    const sorted = (to) => [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
    const begin = (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      from = at(event);
      frame = lh.make("div", "review-box");
      place.append(frame);
      place.setPointerCapture(event.pointerId);
      lay(frame, sorted(from));
    };
    const move = (event) => { if (from) lay(frame, sorted(at(event))); };
    const end = (event) => {
      if (!from) return;
      const box = sorted(at(event)), least = 4;
      from = null;
      if (event.type === "pointercancel" || box[2] - box[0] < least || box[3] - box[1] < least) { frame.remove(); return; }
      boxes.push(box.map((edge) => Math.round(edge * 10) / 10));
      frame.append(lh.make("span", "", String(boxes.length)));
      window.dash_clientside.set_props("review-drawn", { data: { inspection, boxes: [...boxes] } });
    };
    const heard = [["pointerdown", begin], ["pointermove", move], ["pointerup", end], ["pointercancel", end]];
    heard.forEach(([name, act]) => place.addEventListener(name, act));
    panel.dataset.drawsReady = "1";
    return () => heard.forEach(([name, act]) => place.removeEventListener(name, act));
  });
  lh.whenPresent("[data-opens]", (list) => {
    const open = (event) => {
      const button = event.target.closest("[data-open]");
      if (button) window.dash_clientside.set_props(list.dataset.opens, { data: Number(button.dataset.open) });
    };
    list.addEventListener("click", open);
    list.dataset.opensReady = "1";
    return () => list.removeEventListener("click", open);
  });
})();

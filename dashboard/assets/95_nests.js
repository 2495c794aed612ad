/* Sheets of a nest: each drawing is fetched when it comes into sight and stands in a shadow root, so that its styles stay its own.
   Pointing at a part tells its order; a click opens it. [data-nest-drawing]: address; [data-drawn]: row of the order of each part;
   [data-nest-orders] around them: rows of number, part, factory, due. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const STYLE = ":host{display:block}svg{display:block;width:100%;height:auto;max-height:70vh}.nest .part{cursor:pointer}.nest .part.same{stroke-width:4px;vector-effect:non-scaling-stroke}.nest .part.other{opacity:.35}";

  async function draw(place) {
    const answer = await fetch(place.dataset.nestDrawing);
    if (!answer.ok) { place.textContent = (await answer.json().catch(() => ({}))).error || lh.say("The drawing could not be loaded."); return; }
    const svg = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
    if (svg.nodeName !== "svg" || !place.isConnected) return;
    const root = place.shadowRoot || place.attachShadow({ mode: "open" });
    const style = lh.make("style", "", STYLE);
    for (const title of svg.querySelectorAll("title")) title.remove(); // said below in the reader's language
    root.replaceChildren(style, document.importNode(svg, true));
    const parts = [...root.querySelectorAll("path.part")], drawn = JSON.parse(place.dataset.drawn);
    const orders = JSON.parse(place.closest("[data-nest-orders]").dataset.nestOrders);
    const readout = place.parentElement.querySelector(".nest-readout");
    const rowOf = new Map(parts.map((part, at) => [part, drawn[at]]));
    const orderAt = (event) => { const part = event.target.closest && event.target.closest(".part"); return part ? orders[rowOf.get(part)] : undefined; };
    const show = (order) => {
      readout.textContent = order ? order.filter((word) => word && word !== "–").join(" · ") : readout.dataset.rest;
      for (const part of parts) { const same = order && orders[rowOf.get(part)] === order; part.classList.toggle("same", Boolean(same)); part.classList.toggle("other", Boolean(order) && !same); }
    };
    root.addEventListener("pointerover", (event) => show(orderAt(event)));
    place.addEventListener("pointerleave", () => show(undefined));
    root.addEventListener("click", (event) => { const order = orderAt(event); if (order) location.assign("/part-orders?number=" + encodeURIComponent(order[0])); });
    place.dataset.ready = "1";
  }

  lh.whenPresent("[data-nest-drawing]", (place) => {
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      draw(place).catch(() => { place.textContent = lh.say("The drawing could not be loaded."); });
    }, { rootMargin: "400px" });
    seen.observe(place);
    return () => seen.disconnect();
  });
})();

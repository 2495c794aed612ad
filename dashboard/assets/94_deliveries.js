/* Time that is left until a message is void: counted by the server's clock, and said to be over as soon as it is. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const ends = new Set();
  const show = (element) => {
    const left = Number(element.dataset.until) / 1000 - lh.now();
    const words = left > 0 ? lh.say("{age} left", { age: lh.age(left) }) : lh.say("over for {age}", { age: lh.age(-left) });
    if (element.textContent !== words) element.textContent = words;
    element.classList.toggle("over", left <= 0);
  };
  lh.whenPresent("[data-until]", (element) => { ends.add(element); show(element); return () => ends.delete(element); });
  setInterval(() => { for (const element of ends) show(element); }, 1000);
  /* [data-slow-beat-of] names a store that is given a new number each 20 seconds: what waits for a person waits for minutes */
  lh.whenPresent("[data-slow-beat-of]", (element) => {
    let count = 0;
    const timer = setInterval(() => {
      if (!document.hidden) window.dash_clientside.set_props(element.dataset.slowBeatOf, { data: ++count });
    }, 20000);
    return () => clearInterval(timer);
  });
})();

/* The badge of alarms above every page, the beat of the alarm page, and ages that count on by themselves. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const WORDS = { urgent: lh.say("urgent"), high: lh.say("high priority"), medium: lh.say("medium"), low: lh.say("low priority") };
  lh.whenPresent("#alarm-badge", (badge) => lh.watch("alarms", (message) => {
    if (message.topic !== "alarms" || !message.alarms) return;
    const { unacknowledged, annunciated, priority } = message.alarms;
    const unseen = unacknowledged > 0;
    badge.classList.toggle("unseen", unseen);
    const shape = badge.querySelector("[data-part=shape]"), words = badge.querySelector("[data-part=words]");
    shape.className = unseen ? "prio " + priority : "";
    shape.textContent = unseen ? WORDS[priority] : "";
    const all = unseen ? lh.say("{n} unacknowledged", { n: unacknowledged }) : annunciated ? lh.say("{n} alarms", { n: annunciated }) : lh.say("no alarms");
    if (words.textContent !== all) { // beside the priority the number is enough for the eye
      words.replaceChildren(unseen ? lh.make("span", "", String(unacknowledged)) : all, ...(unseen ? [lh.make("span", "only-heard", all.replace(String(unacknowledged), ""))] : []));
    }
    badge.title = all;
  }));
  lh.whenPresent("[data-alarms-beat]", (element) => {
    let count = 0, timer = null;
    const beat = () => { timer = null; window.dash_clientside.set_props(element.dataset.alarmsBeat, { data: ++count }); };
    const slow = setInterval(() => { if (!document.hidden) window.dash_clientside.set_props(element.dataset.slowBeat, { data: ++count }); }, 30000);
    const end = lh.watch("alarms", (message) => { if (message.topic === "alarms" && timer === null) timer = setTimeout(beat, 200); });
    return () => { end(); clearInterval(slow); clearTimeout(timer); };
  });
  const ages = new Set();
  const show = (element) => { const words = lh.age(lh.now() - Number(element.dataset.since) / 1000); if (element.textContent !== words) element.textContent = words; };
  lh.whenPresent("[data-since]", (element) => { ages.add(element); show(element); return () => ages.delete(element); });
  setInterval(() => { for (const element of ages) show(element); }, 1000);
})();

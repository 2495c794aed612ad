/* Buttons of a list that is drawn again and again: what they open is a word, kept beside the list. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  lh.whenPresent("[data-opens-word]", (list) => {
    const open = (event) => {
      const button = event.target.closest("[data-open-word]");
      if (button) window.dash_clientside.set_props(list.dataset.opensWord, { data: button.dataset.openWord });
    };
    list.addEventListener("click", open);
    list.dataset.opensReady = "1";
    return () => list.removeEventListener("click", open);
  });
})();

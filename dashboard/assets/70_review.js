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

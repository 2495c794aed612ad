/* Keys of the review page: each button that has a letter is pressed by it, unless somebody types. */
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
    return () => document.removeEventListener("keydown", press);
  });
})();

/* What Dash 4.4 leaves out of its fields for keyboards and screen readers (found by axe-core): names, places in the order, roles. */
(function () {
  "use strict";
  const lh = window.leadhand;
  if (!lh) return;
  const labelOf = (element) => (element.id ? document.querySelector("label[for=" + CSS.escape(element.id) + "]") : null);

  /* a choice: what takes the focus is hidden from screen readers, and what they read is out of the order and without the name of its label */
  lh.whenPresent(".dash-dropdown-focus-target", (target) => { target.tabIndex = -1; });
  lh.whenPresent("button.dash-dropdown", (button) => {
    button.tabIndex = 0;
    const label = labelOf(button);
    if (!label) return;
    if (!label.id) label.id = button.id + "-label";
    button.setAttribute("aria-labelledby", label.id + " " + (button.getAttribute("aria-labelledby") || ""));
  });

  /* boxes to tick are no list of options with boxes within: a group of labelled boxes */
  lh.whenPresent(".dash-checklist, .dash-radioitems", (list) => { list.setAttribute("role", "group"); });
  lh.whenPresent(".dash-checklist > label, .dash-radioitems > label", (option) => {
    const plain = () => { for (const name of ["role", "aria-selected"]) if (option.hasAttribute(name)) option.removeAttribute(name); };
    plain();
    const watch = new MutationObserver(plain); // ticking sets them again
    watch.observe(option, { attributes: true, attributeFilter: ["role", "aria-selected"] });
    return () => watch.disconnect();
  });

  /* the hidden field behind a button that takes files */
  lh.whenPresent("input[type=file]", (field) => {
    field.tabIndex = -1;
    if (!field.hasAttribute("aria-label")) field.setAttribute("aria-label", (field.parentElement.textContent || "").trim());
  });

  /* what scrolls is reached by keyboard, where nothing within it is */
  const scrolls = (element) => element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
  const reach = (element) => {
    const within = element.querySelector("a[href], button, input, select, summary, [tabindex='0']");
    if (scrolls(element) && !within) element.tabIndex = 0; else element.removeAttribute("tabindex");
  };
  lh.whenPresent(".scroll, .long, [data-scrolls]", (element) => {
    const watch = new ResizeObserver(() => reach(element));
    watch.observe(element);
    for (const child of element.children) watch.observe(child);
    return () => watch.disconnect();
  });
})();

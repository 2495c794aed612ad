/* Sources: the script of the grid, heavier than all else on the page, is fetched when something is discovered. */
(function () {
  "use strict";
  let fetched = null;
  const fetchGrid = (address) =>
    new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = () => {
        fetched = null;
        failed(new Error(`${address} did not come`));
      };
      document.head.append(script);
    });
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.leadhand = Object.assign(window.dash_clientside.leadhand || {}, {
    withGrid: async function (clicks) {
      const { no_update, set_props } = window.dash_clientside;
      set_props("add-discover", { loading: true });
      fetched = fetched || fetchGrid(document.querySelector("meta[name=leadhand-grid]").content);
      try {
        await fetched;
      } catch {
        set_props("add-discover", { loading: false });
        const lh = window.leadhand, words = lh.say("The page could not be loaded whole. Try again.");
        return [no_update, { namespace: "dash_html_components", type: "Div", props: { className: "notice wrong", children: words } }];
      }
      return [clicks, no_update];
    },
  });
})();

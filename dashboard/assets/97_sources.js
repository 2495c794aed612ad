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
      fetched = fetched || fetchGrid(document.querySelector("meta[name=leadhand-grid]").content);
      await fetched;
      return clicks;
    },
  });
})();

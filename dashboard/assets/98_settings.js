/* Settings: what a button far above says stands below the text of the file: it is brought into sight. */
(function () {
  "use strict";
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.leadhand = Object.assign(window.dash_clientside.leadhand || {}, {
    intoSight: function (content) {
      if (content) {
        requestAnimationFrame(function () {
          const shown = document.getElementById("settings-result");
          if (shown) shown.scrollIntoView({ block: "center" });
        });
      }
      return window.dash_clientside.no_update;
    },
  });
})();

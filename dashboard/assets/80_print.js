/* A button that prints the page: [data-print]. What is printed is told by @media print in recommendations.css. */
(function () {
  "use strict";
  document.addEventListener("click", (event) => {
    if (event.target.closest && event.target.closest("[data-print]")) window.print();
  });
})();

/* Asks for the first trend before the large scripts are here: the server's page says of which signals (dashboard/shell.py). */
(function () {
  "use strict";
  if (window.leadhandFirst !== undefined) return;
  window.leadhandFirst = null;
  const SPANS = { "1h": 3600e3, "8h": 8 * 3600e3, "24h": 24 * 3600e3, "7d": 7 * 86400e3 };
  const early = (window.leadhandEarly = {
    LIVE_MS: 120000,
    /* the address of a window of some signals; of the live one every sample is wanted */
    address(signals, fromMs, toMs, live) {
      const points = live ? 4000 : Math.max(200, Math.min(2000, Math.round(innerWidth)));
      const query = new URLSearchParams({ from_us: Math.round(fromMs * 1000), to_us: Math.round(toMs * 1000), points });
      for (const signal of signals) query.append("signal", signal);
      return "/api/v1/window?" + query;
    },
  });
  const holder = document.getElementById("leadhand-first");
  if (!holder) return;
  const told = JSON.parse(holder.textContent);
  early.clock = { serverMs: told.now_ms, at: performance.now() };
  if (!told.signals.length) return;
  const span = SPANS[new URLSearchParams(location.search).get("span")];
  const toMs = told.now_ms, fromMs = toMs - (span || early.LIVE_MS);
  const answer = fetch(early.address(told.signals, fromMs, toMs, !span), { headers: { Accept: "application/json" } });
  answer.catch(() => null); // who takes it sees the error
  window.leadhandFirst = { signals: told.signals, fromMs, toMs, answer };
})();

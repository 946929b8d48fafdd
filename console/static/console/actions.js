// Shows how far a run is, each second, and loads the page anew when it has ended.
"use strict";

(() => {
  const section = document.querySelector("[data-progress]");
  if (!section) return;
  const part = (name) => section.querySelector(`[data-part="${name}"]`);
  const pause = 1000; // milliseconds

  const show = (run) => {
    part("label").textContent = run.label;
    part("step").textContent = run.step ? `: ${run.step}` : "";
    if (run.total) {
      part("bar").max = run.total;
      part("bar").value = run.done;
    } else {
      part("bar").removeAttribute("value");
    }
  };

  const look = async () => {
    try {
      const answer = await fetch(section.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const run = await answer.json();
      const hasEnded = run.state !== "queued" && run.state !== "running";
      const saysSo = section.dataset.waits === "yes"; // that nobody seems to be at work, and what to do
      if (hasEnded || run.waits !== saysSo) {
        window.location.reload();
        return;
      }
      show(run);
    } catch {
      part("step").textContent = ": the server does not answer; trying again";
    }
    window.setTimeout(look, pause);
  };

  window.setTimeout(look, pause);
})();

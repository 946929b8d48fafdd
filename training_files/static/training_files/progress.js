// Shows how far a build is, each second, and loads the page anew when it has ended.
"use strict";

(() => {
  const section = document.querySelector("[data-progress]");
  if (!section) return;
  const part = (name) => section.querySelector(`[data-part="${name}"]`);
  const pause = 1000; // milliseconds
  const say = (text) => {
    if (part("label").textContent !== text) part("label").textContent = text; // a screen reader reads out what is set
  };

  const look = async () => {
    try {
      const answer = await fetch(section.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
      const build = await answer.json();
      if (!build.isOpen) {
        window.location.reload();
        return;
      }
      say(build.label);
      part("done").textContent = String(build.done);
      part("bar").max = build.total;
      part("bar").value = build.done;
    } catch {
      say("The server does not answer; trying again");
    }
    window.setTimeout(look, pause);
  };

  window.setTimeout(look, pause);
})();

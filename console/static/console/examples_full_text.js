"use strict";

// Goes on with a search by itself, step by step, as the button "Go on" does without it.
(() => {
  const form = document.getElementById("full-text-go-on");
  if (!form) {
    return;
  }
  const element = (name) => document.getElementById(`full-text-${name}`);
  const [status, progress, stop] = [element("status"), element("progress"), element("stop")];
  const goOn = form.querySelector("button[type=submit]");
  const rows = element("hits").tBodies[0];
  let isStopped = false;

  const cell = (name, text, className) => {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) {
      made.className = className;
      made.dir = "auto";
    }
    return made;
  };

  const show = (step) => {
    for (const hit of step.hits) {
      const row = rows.insertRow();
      const head = cell("th", "");
      head.scope = "row";
      const link = cell("a", hit.time);
      link.href = hit.url;
      head.append(link);
      row.append(head, cell("td", hit.task), cell("td", hit.model), cell("td", hit.found_in));
      row.append(cell("td", hit.snippet, "full-text-snippet"));
    }
    for (const problem of step.problems) {
      element("problems").append(cell("li", problem, "warning"));
    }
    progress.max = Math.max(1, step.looked + step.left);
    progress.value = step.looked;
    status.textContent = step.summary;
    form.elements.token.value = step.token;
  };

  const rest = () => {
    stop.hidden = true;
    goOn.hidden = !form.elements.token.value;
  };

  const step = async () => {
    const answer = await fetch(window.location.pathname, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    const found = await answer.json();
    if (!answer.ok) {
      throw new Error(found.problem || answer.statusText);
    }
    show(found);
  };

  const run = async () => {
    isStopped = false;
    goOn.hidden = true;
    stop.hidden = false;
    try {
      while (!isStopped && form.elements.token.value) {
        await step();
      }
    } catch (error) {
      status.textContent = `The search stopped: ${error.message || "no answer"}`;
    }
    rest();
  };

  stop.addEventListener("click", () => {
    isStopped = true;
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  run();
})();

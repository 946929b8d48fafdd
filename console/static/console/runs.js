/* Asks once a second how far the run is, and shows it. When it is over, the page is loaded anew, whole. */
"use strict";

(() => {
  const PAUSE = 1000;
  const section = document.querySelector("[data-run-progress]");
  if (!section) {
    return;
  }
  const part = (name) => document.querySelector(`[data-run="${name}"]`);
  const say = (name, text) => {
    const element = part(name);
    if (element && element.textContent !== text) {  // what stays as it is must not be read aloud again
      element.textContent = text;
    }
  };
  const show = (name, isShown) => {
    const element = part(name);
    if (element && element.hidden === isShown) {
      element.hidden = !isShown;
    }
  };
  let logSeen = -1;

  const update = (found) => {
    for (const name of ["label", "sentence", "step", "amount", "elapsed", "silence"]) {
      say(name, found[name]);
    }
    show("waits", found.waits);
    show("quiet", found.silence !== "");
    show("cancel", found.state === "queued");
    const bar = part("share");
    if (found.share === null) {
      bar.removeAttribute("value");
    } else {
      bar.value = found.share;
    }
    if (found.log !== null) {
      const log = part("log");
      const wasAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
      log.textContent = found.log;
      logSeen = found.log_length;
      show("no-log", found.log === "");
      if (wasAtEnd) {
        log.scrollTop = log.scrollHeight;
      }
    }
  };

  const ask = async () => {
    const answer = await fetch(`${section.dataset.runProgress}?seen=${logSeen}`, { credentials: "same-origin" });
    if (answer.redirected || answer.status === 403 || answer.status === 404) {
      window.location.reload();  // the login has ended, or the run is gone: the page itself says so
      return true;
    }
    if (!answer.ok) {
      throw new Error(String(answer.status));
    }
    const found = await answer.json();
    show("trouble", false);
    update(found);
    if (found.is_over) {
      window.location.reload();
    }
    return found.is_over;
  };

  const poll = async () => {
    let isOver = false;
    try {
      isOver = await ask();
    } catch {
      show("trouble", true);
    }
    if (!isOver) {
      window.setTimeout(poll, PAUSE);
    }
  };
  poll();
})();

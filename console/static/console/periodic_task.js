// The page of a periodic task: says beneath the choice of a crontab what it means.
"use strict";

(() => {
  const meanings = JSON.parse(document.getElementById("readable-crontabs").textContent);
  const choice = document.getElementById("id_crontab");
  const help = document.querySelector(".field-crontab .help");
  document.querySelector(".field-crontab_translation")?.classList.add("hidden");
  if (!choice || !help) return;
  const line = document.createElement("div");
  line.setAttribute("aria-live", "polite");
  help.append(line);

  const show = () => {
    const meaning = meanings[choice.value];
    line.textContent = meaning ? `Translation: ${meaning}` : "";
  };

  choice.addEventListener("change", show);
  show();
})();

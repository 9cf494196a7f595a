"use strict";
// The gallery of explanations: which cards and methods are seen, and how strongly the maps are. All data is in the page.
(function () {
  const root = document.getElementById("gallery");
  if (!root) return;
  const find = (id) => document.getElementById(id);
  const cards = Array.from(root.querySelectorAll(".card"));
  const choices = Array.from(root.querySelectorAll(".method-choice"));

  function bound(input, otherwise) {
    const value = Number.parseFloat(input.value);
    return Number.isFinite(value) ? value : otherwise;
  }

  function filter() {
    const observation = find("filter-observation").value, truth = find("filter-truth").value;
    const low = bound(find("filter-low"), 0), high = bound(find("filter-high"), 1);
    let shown = 0;
    for (const card of cards) {
      const own = card.dataset, probability = Number(own.probability);
      const fits = (!observation || own.observation === observation) && (!truth || own.truth === truth) &&
        low <= probability && probability <= high;
      card.hidden = !fits;
      shown += fits;
    }
    find("shown").textContent = `${shown} of ${cards.length} shown`;
  }

  function compare() {
    const chosen = new Set(choices.filter((choice) => choice.checked).map((choice) => choice.value));
    for (const method of root.querySelectorAll(".method")) method.hidden = !chosen.has(method.dataset.method);
  }

  function fade() {
    const share = find("opacity").value;
    root.style.setProperty("--opacity", share / 100);
    find("opacity-value").textContent = `${share} %`;
  }

  for (const id of ["filter-observation", "filter-truth", "filter-low", "filter-high"]) find(id).addEventListener("input", filter);
  for (const choice of choices) choice.addEventListener("change", compare);
  find("opacity").addEventListener("input", fade);
  root.querySelector(".filters").hidden = false;
  filter();
  compare();
  fade();
})();

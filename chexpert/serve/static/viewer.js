"use strict";
// The viewer: sends the chosen image to the server that this page came from, and shows what it answers. Texts are set
// as text, never as HTML; the file's name is not sent.
(function () {
  const get = (id) => document.getElementById(id);
  // characters that show nothing, and those that turn the order of a text around
  const UNSHOWN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g;
  const LONGEST = 120;
  const GONE = "The server does not answer: is chexpert serve still running?";
  let run = null;
  let file = null;
  let answer = null;
  let predicting = null;
  let explaining = null;
  let comparing = null;

  function make(tag, text, className) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  function clean(text) { return text.replace(UNSHOWN, "\ufffd"); }

  function shorten(text) {
    const shown = clean(text);
    return shown.length > LONGEST ? `${shown.slice(0, LONGEST)}\u2026` : shown;
  }

  function showError(text) {
    get("error").textContent = clean(text);
    get("error").hidden = !text;
  }

  function sentence(text) {
    const whole = text.charAt(0).toUpperCase() + text.slice(1);
    return /[.!?]$/.test(whole) ? whole : `${whole}.`;
  }

  function makeError(content) {
    const parts = [sentence(content.error)];
    if (content.where) parts.push(`Where: ${sentence(content.where)}`);
    if (content.hint) parts.push(`Hint: ${sentence(content.hint)}`);
    return new Error(parts.join(" "));
  }

  // The answer of the server as a Response; a refused request is an error with one sentence.
  async function ask(path, options) {
    let response;
    try {
      response = await fetch(path, { cache: "no-store", credentials: "omit", ...options });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Error(GONE);
    }
    if (response.ok) return response;
    let content = {};
    try { content = await response.json(); } catch { /* no JSON, as of a wrong token */ }
    throw makeError(content.error ? content : { error: `the server refuses this (${response.status})` });
  }

  function send(path, body, signal) {
    return ask(path, { method: "POST", body, signal, headers: { "Content-Type": "application/octet-stream" } });
  }

  function isAbort(error) { return error.name === "AbortError"; }

  function percent(share) { return `${(100 * share).toFixed(0)} %`; }

  // --- the run ---

  async function open() {
    try {
      run = await (await ask("api/run")).json();
    } catch (error) {
      showError(error.message);
      return;
    }
    get("run").textContent = clean(run.run);
    document.title = `${shorten(run.run)}: chexpert viewer`;
    get("synthetic").textContent = run.synthetic;
    get("synthetic").hidden = !run.synthetic;
    get("limit").textContent = run.limit_mb;
    for (const line of run.lines) get("lines").append(make("li", line.text, line.kind));
    fill("rule", run.rules.map((name) => [name, name.replaceAll("_", " ")]));
    get("rules").hidden = !run.rules.length;
    get("raw-choice").hidden = !run.calibrated;
    fill("observation", run.observations.map((one) => [one.name, one.name]));
    fill("method", run.methods.map((one) => [one.name, `${one.name} (${one.passes} ${one.passes === 1 ? "pass" : "passes"})`]));
    get("explaining").hidden = !run.methods.length;
    const rate = percent(run.sets.error_rate);
    get("set-title").textContent = `Set, ${rate.replace(" ", "\u00a0")}`;
    get("set-text").textContent = run.sets.missing
      ? `No prediction sets: ${run.sets.missing}.`
      : `Set: errs in a class at most ${rate} of the time, for patients like those it was fitted on. both: the model cannot decide; neither: like no class.`;
    get("similar-help").textContent = run.neighbors;
    get("file").disabled = false;
  }

  function fill(id, pairs) {
    get(id).replaceChildren(...pairs.map(([value, text]) => {
      const option = make("option", text);
      option.value = value;
      return option;
    }));
  }

  // --- an image ---

  async function choose(files) {
    if (!files.length || !run) return;
    stop();
    clear();
    if (files.length > 1) { showError("Give one image at a time."); return; }
    const chosen = files[0];
    if (chosen.size > run.limit_mb * 1048576) { showError(`This file is larger than ${run.limit_mb} MB.`); return; }
    try {
      await chosen.slice(0, 1).arrayBuffer();
    } catch {
      showError("This is no file that the browser can read.");
      return;
    }
    file = chosen;
    const controller = predicting = new AbortController();
    get("status").textContent = "Predicting \u2026";
    get("drop").setAttribute("aria-busy", "true");
    try {
      const found = await (await send("api/predictions", file, controller.signal)).json();
      if (predicting === controller) showPrediction(found);
    } catch (error) {
      if (isAbort(error) || predicting !== controller) return;
      clear();
      showError(error.message);
    } finally {
      if (predicting === controller) get("drop").removeAttribute("aria-busy");
    }
  }

  function stop() {
    for (const controller of [predicting, explaining, comparing]) if (controller) controller.abort();
    predicting = explaining = comparing = null;
  }

  function clear() {
    file = answer = null;
    showError("");
    get("status").textContent = "";
    get("shown").hidden = get("found").hidden = true;
    get("none").hidden = false;
    hideMap();
    get("map-text").textContent = get("similar-text").textContent = "";
    get("neighbors").replaceChildren();
    get("image").removeAttribute("src");
  }

  function showPrediction(found) {
    answer = found;
    get("image").src = found.image;
    document.querySelector(".stage").style.setProperty("--ratio", found.width / found.height);
    get("name").textContent = shorten(file.name);
    get("name").title = clean(file.name);
    get("size").textContent = `${found.width} \u00d7 ${found.height} pixels`;
    get("shown").hidden = get("found").hidden = false;
    get("none").hidden = true;
    showGate(found);
    get("scored").hidden = found.refused;
    get("explaining").hidden = found.refused || !run.methods.length;
    get("similar").hidden = found.refused;
    if (found.refused) { get("status").textContent = "The gate refuses this image."; return; }
    const first = [...found.rows].sort((a, b) => shownValue(b) - shownValue(a))[0];
    get("observation").value = first.observation;
    showRows();
    get("status").textContent = `Predicted: the most probable is ${first.observation}, ${format(shownValue(first))}.`;
    explain();
  }

  function showGate(found) {
    const words = found.refused ? "Refused by the gate, so there are no probabilities" : "Flagged";
    const passed = run.gate === "on" && !run.gate_note;
    get("gate").className = `gate ${found.flags ? "flagged" : passed ? "passed" : ""}`;
    get("gate").textContent = `${found.flags ? clean(`${words}: ${found.flags}.`) : run.gate_text} ${run.gate_note}`.trim();
  }

  // --- the table ---

  function isCalibrated(row) { return run.calibrated && !get("raw").checked && row.calibrated !== null; }

  function shownValue(row) { return isCalibrated(row) ? row.calibrated : row.probability; }

  function format(probability) { return probability.toFixed(3); }

  function showRows() {
    const rows = answer.rows.map((row, at) => makeRow(row, run.observations[at], run.observations[at + 1]));
    get("rows").replaceChildren(...rows);
    get("probability-title").textContent = run.calibrated && !get("raw").checked ? "Probability, calibrated" : "Probability";
  }

  function makeRow(row, observation, next) {
    const line = make("tr");
    const chosen = row.observation === get("observation").value;
    line.className = `${observation.competition && next && !next.competition ? "divided" : ""} ${chosen ? "chosen" : ""}`;
    line.dataset.observation = row.observation;
    const title = make("th");
    title.scope = "row";
    title.append(makeChoice(row.observation, chosen));
    if (!observation.labeled) title.append(make("small", "not trained on (no labels in the training data)", "unlabeled"));
    line.append(title, makeValue(row, observation), makeDecision(row, observation), make("td", row.set || "\u2013", "set"));
    return line;
  }

  function makeChoice(name, chosen) {
    if (!run.methods.length) return make("span", name);
    const button = make("button", name);
    button.type = "button";
    button.setAttribute("aria-pressed", String(chosen));
    button.title = `Show the attribution map of ${name}`;
    button.addEventListener("click", () => {
      get("observation").value = name;
      select();
    });
    return button;
  }

  function thresholdOf(row, observation) {
    const found = observation.thresholds[get("rule").value];
    if (!found) return null;
    return { raw: found.raw, shown: isCalibrated(row) ? found.calibrated : found.raw };
  }

  function makeValue(row, observation) {
    const cell = make("td");
    const value = make("div", undefined, "value");
    const bar = make("span", undefined, "bar");
    bar.setAttribute("aria-hidden", "true");
    const share = make("span", undefined, "share");
    share.style.width = `${100 * shownValue(row)}%`;
    bar.append(share);
    const threshold = thresholdOf(row, observation);
    if (threshold) {
      const mark = make("span", undefined, "mark");
      mark.style.left = `calc(${100 * threshold.shown}% - 1px)`;
      bar.append(mark);
    }
    const text = make("span", format(shownValue(row)));
    if (run.calibrated && !get("raw").checked && row.calibrated === null) text.title = "not calibrated";
    value.append(text, bar);
    cell.append(value);
    return cell;
  }

  // Decided by the raw probability: the threshold was chosen on such.
  function makeDecision(row, observation) {
    const threshold = thresholdOf(row, observation);
    if (!threshold) return make("td", "\u2013", "decision");
    const above = row.probability >= threshold.raw;
    const cell = make("td", undefined, "decision");
    const text = make("span", `${above ? "\u2265" : "<"} ${format(threshold.shown)}`, above ? "above" : "below");
    text.title = `${above ? "at or above" : "below"} the threshold`;
    cell.append(text);
    return cell;
  }

  function select() {
    for (const line of get("rows").children) {
      const chosen = line.dataset.observation === get("observation").value;
      line.classList.toggle("chosen", chosen);
      const button = line.querySelector("button");
      if (button) button.setAttribute("aria-pressed", String(chosen));
    }
    explain();
  }

  // --- the map ---

  function hideMap() {
    get("map").hidden = true;
    get("map").removeAttribute("src");
    get("work").hidden = true;
  }

  async function explain() {
    if (explaining) explaining.abort();
    if (!file || !run.methods.length) return;
    hideMap();
    const controller = explaining = new AbortController();
    const method = get("method").value, observation = get("observation").value;
    const query = new URLSearchParams({ method, observation });
    get("work").hidden = false;
    get("progress").removeAttribute("value");
    get("map-text").textContent = `Computing the map of ${observation} by ${method} \u2026`;
    try {
      const response = await send(`api/explanations?${query}`, file, controller.signal);
      const found = await readLines(response, (progress) => { if (explaining === controller) get("progress").value = progress; });
      if (explaining === controller) showMap(found);
    } catch (error) {
      if (isAbort(error) || explaining !== controller) return;
      get("map-text").textContent = clean(`No map: ${error.message}`);
    } finally {
      if (explaining === controller) { explaining = null; get("work").hidden = true; }
    }
  }

  // Reads lines of JSON as they come; the last one has the result.
  async function readLines(response, onProgress) {
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error(GONE);
      text += decoder.decode(value, { stream: true });
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        const content = JSON.parse(line);
        if (content.error) throw makeError(content);
        if (content.result) return content.result;
        if (content.progress) onProgress(content.progress);
      }
    }
  }

  function showMap(found) {
    get("map").src = found.map;
    get("map").alt = `Attribution map of ${found.observation} by ${found.method}`;
    get("map").hidden = false;
    get("map-text").textContent = `${found.observation} by ${found.method}${found.silent ? ": no positive evidence" : ""}`;
  }

  function cancel() {
    if (!explaining) return;
    explaining.abort();
    explaining = null;
    hideMap();
    get("map-text").textContent = "Canceled.";
    get("method").focus();
  }

  function fade() {
    get("map").style.opacity = String(get("opacity").value / 100);
    get("opacity-value").textContent = `${get("opacity").value} %`;
  }

  // --- nearest training images ---

  async function compare() {
    if (!file || comparing) return;
    const controller = comparing = new AbortController();
    get("neighbors").replaceChildren();
    get("similar-text").textContent = "Comparing \u2026";
    try {
      const response = await send("api/neighbors", file, controller.signal);
      const found = await readLines(response, (progress) => {
        if (comparing === controller) get("similar-text").textContent = `Reading training images for the first time: ${percent(progress)} \u2026`;
      });
      if (comparing === controller) showNeighbors(found);
    } catch (error) {
      if (!isAbort(error) && comparing === controller) get("similar-text").textContent = clean(error.message);
    } finally {
      if (comparing === controller) comparing = null;
    }
  }

  function showNeighbors(found) {
    get("similar-text").textContent = found.text;
    get("neighbors").replaceChildren(...found.neighbors.map((one) => {
      const item = make("li");
      if (one.image) {
        const image = make("img");
        image.src = one.image;
        image.alt = `Synthetic training image ${one.id}`;
        item.append(image);
      }
      const text = make("div");
      const title = make("p");
      title.append(make("code", one.id));
      text.append(title, make("p", `distance ${one.distance.toFixed(3)}`, "quiet"), make("p", one.labels || "no finding is labeled"));
      item.append(text);
      return item;
    }));
  }

  // --- events ---

  get("file").addEventListener("change", () => choose(get("file").files));
  get("file").addEventListener("click", () => { get("file").value = ""; }); // the same file again is a change too
  get("rule").addEventListener("change", () => { if (answer) showRows(); });
  get("raw").addEventListener("change", () => { if (answer) showRows(); });
  get("observation").addEventListener("change", select);
  get("method").addEventListener("change", explain);
  get("opacity").addEventListener("input", fade);
  get("cancel").addEventListener("click", cancel);
  get("compare").addEventListener("click", compare);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") cancel(); });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    window.addEventListener(kind, (event) => {
      event.preventDefault();
      get("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop" && event.dataTransfer) choose(event.dataTransfer.files);
    });
  }
  fade();
  open();
})();

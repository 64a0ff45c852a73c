// MUSHRA after ITU-R BS.1534-3: sliders from 0 to 100, hidden reference and low anchor among the systems.

const mushra = byId("mushra");
const mushraPlayer = new Player(mushra);
const GRADES = ["Bad", "Poor", "Fair", "Good", "Excellent"];
const MOST = 10; // with reference and anchor the 12 signals of BS.1534-3
let mushraRun = null;

const rated = data.systems.filter(({ name }) => name !== "original");
// Unless asked otherwise as many as have a key: with hidden reference and anchor nine.
const usual = rated.filter(({ converted }) => !converted).slice(0, 7);
byId("mushra-systems").append(...rated.map((system) => {
  const [label, box] = [element("label"), element("input", "", { type: "checkbox", value: system.name })];
  box.checked = usual.includes(system);
  label.append(box, ` ${system.title}`);
  return label;
}));
byId("mushra-count").max = byId("mushra-count").value = Math.max(1, data.utterances.length);

byId("mushra-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = [...byId("mushra-systems").querySelectorAll(":checked")].map((box) => box.value);
  const usable = data.utterances.filter(({ stimuli }) => chosen.every((name) => stimuli[name]));
  if (chosen.length === 0 || chosen.length > MOST) return tell(`Choose 1 to ${MOST} systems.`);
  if (usable.length === 0) return tell("No utterance has all of these systems.");
  const count = Number(byId("mushra-count").value);
  const run = newRun("mushra", [chosen, count]);
  run.trials = shuffled(usable, run.random).slice(0, count).map((utterance) => ({
    utterance,
    conditions: shuffled([
      ...chosen.map((name) => ({ system: name, role: "system", stimulus: utterance.stimuli[name] })),
      { system: "original", role: "hidden_reference", stimulus: utterance.stimuli.original },
      { system: "low-pass-3.5k", role: "low_anchor", stimulus: { audio: utterance.anchor, gain: 0 } },
    ], run.random),
  }));
  mushraRun = run;
  mushraGo();
});

function mushraGo() {
  const complete = ({ conditions }, i) => conditions.every(({ role, system }) => kept(mushraRun, i, role + system));
  mushraRun.index = mushraRun.trials.findIndex((trial, i) => !complete(trial, i));
  if (mushraRun.index < 0) {
    mushra.close();
    return mushraResult();
  }
  if (!mushra.open) mushra.showModal();
  return mushraTrial();
}

async function mushraTrial() {
  const { trials, index, levels } = mushraRun;
  const { utterance, conditions } = trials[index];
  byId("mushra-title").textContent = `MUSHRA, trial ${index + 1} of ${trials.length}`;
  byId("conditions").replaceChildren(...conditions.map(mushraCondition));
  mushraRun.since = performance.now();
  tell(`Trial ${index + 1} of ${trials.length}`);
  await mushraPlayer.load([utterance.stimuli.original, ...conditions.map(({ stimulus }) => stimulus)], levels);
  if (!byId("conditions").contains(document.activeElement)) mushra.querySelector("[data-play='0']").focus();
}

function mushraCondition({ system, role }, i) {
  const { trials, index } = mushraRun;
  const before = kept(mushraRun, index, role + system);
  const row = element("div", "", { class: "condition" });
  const button = element("button", i + 1, { "data-play": i + 1, "aria-label": `Play condition ${i + 1}` });
  const slider = element("input", "", { type: "range", min: 0, max: 100, value: before?.score ?? 0, "aria-label": `Rating of condition ${i + 1}` });
  const output = element("output");
  const show = (score) => {
    output.textContent = score ?? "-";
    const grade = score === undefined ? "not rated yet" : `${score}, ${GRADES[Math.min(4, Math.floor(score / 20))]}`;
    slider.setAttribute("aria-valuetext", grade);
  };
  const rate = () => {
    const score = Number(slider.value);
    keep(mushraRun, index, role + system, { utterance: trials[index].utterance.name, system, role, score });
    show(score);
  };
  slider.addEventListener("input", rate);
  slider.addEventListener("pointerup", rate); // a click at the very end moves nothing, and is a rating of 0 all the same
  slider.addEventListener("keydown", ({ key }) => key === "Home" && rate());
  show(before?.score);
  row.append(button, slider, output);
  return row;
}

function mushraNext() {
  const missing = [...byId("conditions").querySelectorAll("output")].findIndex((output) => output.textContent === "-");
  if (missing < 0) return mushraGo();
  tell(`Condition ${missing + 1} is not rated yet.`);
  mushraSlider(missing + 1)?.focus();
}

const mushraSlider = (number) => byId("conditions").children[number - 1]?.querySelector("input");

function mushraResult() {
  const scores = new Map();
  mushraRun.trials.forEach(({ conditions }, i) => conditions.forEach(({ system, role }) => {
    scores.set(system, [...(scores.get(system) ?? []), kept(mushraRun, i, role + system).score]);
  }));
  const names = { ...titles, original: "hidden reference", "low-pass-3.5k": "low anchor, 3.5 kHz" };
  const table = element("table");
  table.append(tableRow("th", ["system", "mean", "median", "ratings"]));
  for (const [system, values] of [...scores].sort((x, y) => mean(y[1]) - mean(x[1]))) {
    table.append(tableRow("td", [names[system], mean(values).toFixed(1), median(values).toFixed(1), values.length]));
  }
  const missed = scores.get("original").filter((score) => score < 90).length;
  const share = missed / mushraRun.trials.length;
  showResult(
    element("h3", `MUSHRA: ${mushraRun.trials.length} utterances`),
    table,
    element("p", `The hidden reference was rated below 90 in ${missed} of ${mushraRun.trials.length}. ` +
      (share > 0.15 ? "That is more than 15 %: BS.1534-3 would leave this listener out." : "BS.1534-3 would keep this listener.")),
  );
}

function tableRow(tag, cells) {
  const row = element("tr");
  row.append(...cells.map((text) => element(tag, text)));
  return row;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function median(values) {
  const sorted = [...values].sort((x, y) => x - y);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

mushra.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.hasAttribute("data-next")) mushraNext();
  else if (button?.hasAttribute("data-pause")) mushraPlayer.pause();
  else if (button?.hasAttribute("data-leave")) mushra.close();
});

mushra.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const key = event.key.toLowerCase();
  if (key === "r") mushraPlayer.play(0);
  else if (/^\d$/.test(key)) {
    mushraPlayer.play(Number(key));
    mushraSlider(Number(key))?.focus();
  } else if (key === "n") mushraNext();
  else if (key === " " && spacePauses(event.target)) {
    event.preventDefault();
    mushraPlayer.pause();
  }
});
mushra.addEventListener("keyup", (event) => event.key === " " && spacePauses(event.target) && event.preventDefault());

// On Pause itself, Next and Leave the space bar does what it does on any button.
const spacePauses = (target) => !target.matches("[data-pause], [data-next], [data-leave]");

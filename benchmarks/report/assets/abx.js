// ABX: X is A or B; the score stays hidden until the last trial, so that nobody stops at a lucky moment.

const abx = byId("abx");
const abxPlayer = new Player(abx);
const abxNext = abx.querySelector("[data-next]");
let abxRun = null;

for (const [id, preferred] of [["abx-a", "unitcodec"], ["abx-b", "codec2-700c"]]) {
  byId(id).append(...data.systems.map(({ name, title }) => element("option", title, { value: name })));
  if (preferred in titles) byId(id).value = preferred;
}
if (byId("abx-a").value === byId("abx-b").value) byId("abx-b").selectedIndex = byId("abx-a").selectedIndex === 0 ? 1 : 0;

byId("abx-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const [a, b, count] = [byId("abx-a").value, byId("abx-b").value, Number(byId("abx-count").value)];
  const usable = data.utterances.filter(({ stimuli }) => stimuli[a] && stimuli[b]);
  if (a === b) return tell("Choose two different systems.");
  if (usable.length === 0) return tell("No utterance has both systems.");
  const run = { ...newRun("abx", [a, b, count]), a, b };
  while (run.trials.length < count) run.trials.push(...shuffled(usable, run.random));
  run.trials = run.trials.slice(0, count).map((utterance) => ({ utterance, x: run.random() < 0.5 ? "a" : "b" }));
  run.index = run.trials.findIndex((_, i) => !kept(run, i, "x"));
  abxRun = run;
  if (run.index < 0) return abxResult();
  abx.showModal();
  abxTrial();
});

async function abxTrial() {
  const { trials, index, a, b, levels } = abxRun;
  const { utterance, x } = trials[index];
  const stimuli = { a: utterance.stimuli[a], b: utterance.stimuli[b] };
  byId("abx-title").textContent = `ABX, trial ${index + 1} of ${trials.length}`;
  abxRun.since = performance.now();
  abxAnswer(null);
  tell(`Trial ${index + 1} of ${trials.length}`);
  await abxPlayer.load([stimuli.a, stimuli.b, stimuli[x]], levels);
  if (abxRun.answer === null) abx.querySelector("[data-play='2']").focus();
}

function abxAnswer(answer) {
  abxRun.answer = answer;
  for (const button of abx.querySelectorAll("[data-answer]")) button.setAttribute("aria-pressed", button.dataset.answer === answer);
  abxNext.disabled = answer === null;
  if (answer === null) return;
  abxNext.focus(); // Enter and Space go on
  tell(`X is ${answer.toUpperCase()}, you say`);
}

function abxCommit() {
  if (abxNext.disabled) return;
  const { trials, index, a, b, answer } = abxRun;
  const { utterance, x } = trials[index];
  keep(abxRun, index, "x", {
    utterance: utterance.name, a, b, system: abxRun[x], role: "x", answer: abxRun[answer], correct: Number(answer === x),
  });
  abxRun.index = trials.findIndex((_, i) => !kept(abxRun, i, "x"));
  if (abxRun.index >= 0) return abxTrial();
  abx.close();
  abxResult();
}

function abxResult() {
  const { trials, a, b } = abxRun;
  const correct = trials.filter((_, i) => kept(abxRun, i, "x").correct).length;
  showResult(
    element("h3", `ABX: ${titles[a]} or ${titles[b]}`),
    element("p", `${correct} of ${trials.length} correct; one-sided binomial p = ${binomial(correct, trials.length).toPrecision(2)}.`),
    element("p", "p is how often guessing alone does as well. Another seed starts anew.", { class: "note" }),
  );
}

// P(at least `correct` of `count` by tossing a coin).
function binomial(correct, count) {
  let [term, sum] = [0.5 ** count, 0];
  for (let k = 0; k <= count; k++) {
    if (k >= correct) sum += term;
    term *= (count - k) / (k + 1);
  }
  return Math.min(1, sum);
}

abx.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.dataset.answer) abxAnswer(button.dataset.answer);
  else if (button?.hasAttribute("data-next")) abxCommit();
  else if (button?.hasAttribute("data-leave")) abx.close();
});

abx.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  const arrow = event.target.type === "range" ? undefined : { ArrowLeft: "a", ArrowRight: "b" }[event.key];
  const answer = arrow ?? { 1: "a", 2: "b" }[event.key];
  if (answer) abxAnswer(answer);
  else if ("abx".includes(event.key.toLowerCase())) abxPlayer.play("abx".indexOf(event.key.toLowerCase()));
});

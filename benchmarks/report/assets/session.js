// What the listener said: kept in this browser, exported as CSV. Random orders that a seed repeats.

const COLUMNS = [
  "mode", "listener", "seed", "trial", "utterance", "a", "b", "system", "role", "score", "answer", "correct",
  "seconds", "timestamp", "levels_matched", "corpus", "commit",
];
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const titles = Object.fromEntries(data.systems.map((system) => [system.name, system.title]));

// Pages from disk may share one storage: the name tells reports apart.
const STORE = ["unitcodec-listening", data.corpus, data.commit, data.date].join(" ");
let records = restore();

function restore() {
  try {
    return new Map(JSON.parse(localStorage.getItem(STORE)) ?? []);
  } catch {
    return new Map();
  }
}

function store() {
  byId("export").disabled = byId("forget").disabled = records.size === 0;
  byId("export").textContent = `Export CSV (${records.size})`;
  try {
    localStorage.setItem(STORE, JSON.stringify([...records]));
  } catch {
    tell("This browser keeps no answers for this page: export them before you leave it.");
  }
}

// A later answer to the same question replaces the earlier one.
function keep(run, trial, slot, record) {
  records.set(`${run.key} ${trial} ${slot}`, {
    mode: run.mode, listener: run.listener, seed: run.seed, trial: trial + 1, ...record,
    seconds: ((performance.now() - run.since) / 1000).toFixed(1), timestamp: new Date().toISOString(),
    levels_matched: run.levels, corpus: data.corpus, commit: data.commit ?? "",
  });
  store();
}

const kept = (run, trial, slot) => records.get(`${run.key} ${trial} ${slot}`);

// One pass through a test; the same settings give the same key and the same order.
function newRun(mode, choices) {
  const listener = byId("listener").value.trim() || "anonymous";
  const [seed, levels] = [byId("seed").value, byId("levels").checked];
  const key = JSON.stringify([mode, listener, seed, levels, choices]);
  return { mode, listener, seed, levels, key, random: generator(`${mode} ${seed}`), trials: [], index: 0, since: 0 };
}

function csv() {
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const line = (record) => COLUMNS.map((column) => cell(String(record[column] ?? ""))).join(",");
  return [COLUMNS.join(","), ...[...records.values()].map(line)].join("\r\n") + "\r\n";
}

byId("export").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "listening.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
});

byId("forget").addEventListener("click", () => {
  if (!confirm(`Delete ${records.size} answers?`)) return;
  records = new Map();
  byId("result").replaceChildren();
  store();
});

// Live regions outside an open dialog are not announced: each dialog has its own.
function tell(text) {
  (document.querySelector("dialog[open] [role=status]") ?? byId("state")).textContent = text;
}

// Text only, whatever it says.
function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function showResult(...parts) {
  byId("result").replaceChildren(...parts);
  byId("result").focus();
}

// FNV-1a for the state, mulberry32 for the numbers: uniform in [0, 1).
function generator(text) {
  let state = 2166136261;
  for (const character of text) state = Math.imul(state ^ character.codePointAt(0), 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled(items, random) {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

const wanted = new URLSearchParams(location.hash.slice(1)).get("seed");
byId("seed").value = wanted ?? crypto.getRandomValues(new Uint32Array(1))[0];
byId("seed").addEventListener("change", () => location.replace(`#seed=${encodeURIComponent(byId("seed").value)}`));
store();

// The keys: one table says what each does, where, and which control does the same. The help shows this table.
//
// A key never does anything while one types, nor where the browser gives it another meaning.
const key = (keys, label, act, button) => ({ keys, label, act, button });

const inGrid = (act) => (event) => (event.target.closest("#grid, body > header") || event.target === document.body ? act() : false);
const onTile = (act) => () => (currentTask() ? act(currentTask()) : false);

const SHARED_KEYS = [
  key(["p"], "Play all, or stop", () => togglePlayAll(), ".playing-all"),
  key(["k"], "Play or pause", () => playOrPause(), ".player button"),
  key(["j"], "5 seconds back", () => skip(-5), undefined),
  key(["l"], "5 seconds on", () => skip(5), undefined),
  key(["b"], "Track before", () => turnTrack(-1), "#track-back"),
  key(["n"], "Next track", () => turnTrack(1), "#track-next"),
  key(["m"], "Sound on or off", () => setMuted(!sound.muted), ".muting"),
  key(["x"], "Select, or not", () => (shown ? select(shown.task) : onTile(select)()), "#pick-shown"),
  key(["c"], "Copy the prompt", () => copyPrompt(), "#copy-prompt"),
  key(["i"], "Copy the id, or the ids of the selection", () => copyIds(), "#copy-id, #copy-ids"),
  key(["e"], "Copy an export command", () => copyCommand(), "#copy-command, #copy-commands"),
  key(["d"], "Download the file", () => pressLink("download"), "#download"),
  key(["o"], "Open the file", () => pressLink("open-file"), "#open-file"),
  key(["?"], "These keys", () => find("help").showModal(), "#show-keys"),
];
const PAGE_KEYS = [
  key(["/"], "Search", () => find("search").focus(), "#search"),
  key(["f"], "Filters", () => find("filters").querySelector("input, button, select")?.focus(), undefined),
  key(["1…9"], "Kinds and states", (event) => pressChip(".of-kind, .of-state", event), undefined),
  key(["Shift 1…9"], "Platforms", (event) => pressChip(".of-platform", event), undefined),
  key(["t"], "Dates", () => find("dates").click(), "#dates"),
  key(["0"], "Clear the filters", () => find("clear").click(), "#clear"),
  key(["s"], "Other order", () => nextSort(), "#sort"),
  key(["+", "="], "Larger tiles", () => resize(1), undefined),
  key(["-"], "Smaller tiles", () => resize(-1), undefined),
  key(["ArrowLeft"], "Tile before", inGrid(() => moveTo(current - 1))),
  key(["ArrowRight"], "Next tile", inGrid(() => moveTo(current + 1))),
  key(["ArrowUp"], "Tile above", inGrid(() => moveByRow(-1))),
  key(["ArrowDown"], "Tile below", inGrid(() => moveByRow(1))),
  key(["Home"], "First tile", inGrid(() => moveTo(0))),
  key(["End"], "Last tile", inGrid(() => moveTo(order.length - 1))),
  key(["Enter"], "Open the task", (event) => (event.target === document.body ? onTile(openTask)() : false)),
  key(["v"], "Select several, or end that", () => setPicking(!isPicking), "#pick-some"),
  key(["r"], "Select all from the last selected task to this one", onTile((task) => selectTo(task)), undefined),
  key(["g"], "Show the task that plays", () => (track ? openTask(track.task) : false), "#dock-title"),
  key(["a"], "Select all that is shown", () => selectAll(), "#pick-all"),
  key(["q"], "Close the player", () => (track ? stopTrack() : false), "#track-close"),
  key(["Escape"], "End the selection", () => (isPicking ? clearSelection() : false), "#pick-none"),
];
const VIEWER_KEYS = [
  key(["ArrowLeft"], "Task before, or move the picture", () => (isZoomed() ? pan(-1, 0) : turn(-1)), "#previous"),
  key(["ArrowRight"], "Next task, or move the picture", () => (isZoomed() ? pan(1, 0) : turn(1)), "#next"),
  key(["ArrowUp"], "File before, or move the picture", () => upOrDown(-1), undefined),
  key(["ArrowDown"], "Next file, or move the picture", () => upOrDown(1), undefined),
  key([" "], "Play or pause", (event) => (event.target.closest("button, a") ? false : playOrPause()), undefined),
  key(["+", "="], "Zoom in", () => zoom(1), "#zoom-in"),
  key(["-"], "Zoom out", () => zoom(-1), "#zoom-out"),
  key(["0"], "Whole picture", () => zoomTo(0), "#zoom-fit"),
  key(["f"], "Full screen, or not", () => toggleScreen(), "#screen"),
  key(["Escape"], "Close", () => false, "#close"),
];

const upOrDown = (by) => {
  if (isZoomed()) return pan(0, by);
  // Where there is one file, these keys scroll the words.
  return find("strip").hidden || document.activeElement.closest("#words, #about") ? false : turnFile(by);
};
const playOrPause = () => {
  const film = visual.querySelector("video");
  if (shown && formOf(shown.task) === "song") return toggleSong(shown.task);
  if (film) return film.paused ? void film.play().catch(() => {}) : film.pause();
  if (shown) return false;
  const task = currentTask();
  const isFocused = document.activeElement.closest("#grid") && task && formOf(task) === "song";
  if (isFocused || !track) return task ? toggleSong(task) : false;
  return toggleTrack(track.task, track.file);
};
const skip = (seconds) => {
  const film = visual.querySelector("video");
  if (film) film.currentTime += seconds;
  else if (track) seekTo(sound.currentTime + seconds);
  else return false;
};
// The viewer has the link. From the grid, the first file of the task is meant.
const pressLink = (id) => {
  if (shown) return find(id).hidden ? false : find(id).click();
  const task = currentTask();
  const file = task && [shaped(task, "audio")[0], coverOf(task), ...filesOf(task)].find((file) => file && isLinked(file));
  if (!file) return false;
  const link = make("a", { href: pathOf(task, file), target: "_blank", rel: "noopener" });
  if (id === "download") {
    link.download = downloadName(task, file);
    sayWhere(link);
  }
  link.click();
};
const pressChip = (kinds, event) => {
  const chip = [...document.querySelectorAll(kinds)][Number(event.code.slice(-1)) - 1];
  return chip ? chip.querySelector("input").click() : false;
};

// The name of a key in the table.
const nameOf = (event) => {
  const digit = /^Digit[1-9]$/.test(event.code) && (/^[1-9]$/.test(event.key) || event.shiftKey);
  if (digit) return event.shiftKey && !/^[1-9]$/.test(event.key) ? "Shift 1…9" : "1…9";
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
};
// Whether the focused control needs the key itself.
const isTaken = (target, name) => {
  if (target.closest("textarea, select, input:not([type=checkbox], [type=range])")) return true;
  if (target.closest("input[type=range]")) return /^(Arrow|Home|End|Page)/.test(name);
  if (target.closest("video")) return [" ", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "m", "f"].includes(name);
  return false;
};
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || find("help").open) return;
  const tables = viewer.open ? [VIEWER_KEYS, SHARED_KEYS] : [PAGE_KEYS, SHARED_KEYS];
  const all = tables.flat();
  const named = (name) => all.find(({ keys }) => keys.includes(name));
  // A layout may have `?` or `/` on a digit.
  const direct = event.key.length === 1 && !/^[1-9]$/.test(event.key) ? named(event.key) : undefined;
  const name = direct ? event.key : nameOf(event);
  const action = direct ?? named(name);
  if (!action || isTaken(event.target, name)) return;
  // A key that is held down moves, and does nothing else again and again.
  if (event.repeat && !/^(Arrow.*|[-+=jl])$/.test(name)) return event.preventDefault();
  if (action.act(event) !== false) event.preventDefault();
});

const KEY_NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc" };
const shortcut = (name) => (name === " " ? "Space" : name === "+" ? "Plus" : name.length === 1 ? name.toUpperCase() : name);
// Tells each control which key does the same, and fills the help.
const fillKeys = () => {
  for (const { keys, button, label } of [...SHARED_KEYS, ...PAGE_KEYS, ...VIEWER_KEYS]) {
    for (const control of button ? document.querySelectorAll(button) : []) {
      control.setAttribute("aria-keyshortcuts", keys.map(shortcut).join(" "));
      if (control.localName !== "input" && control.localName !== "select")
        control.title = `${control.ariaLabel ?? (control.textContent.trim() || label)} (${KEY_NAMES[keys[0]] ?? keys[0]})`;
    }
  }
  const section = (title, table) => {
    const rows = table.flatMap(({ keys, label }) => [
      make("dt", {}, ...keys.slice(0, 1).map((name) => make("kbd", {}, KEY_NAMES[name] ?? name))),
      make("dd", {}, label),
    ]);
    return make("section", {}, make("h3", {}, title), make("dl", {}, ...rows));
  };
  find("key-lists").replaceChildren(
    section("Look around", PAGE_KEYS),
    section("One task", VIEWER_KEYS),
    section("Everywhere", SHARED_KEYS),
  );
};

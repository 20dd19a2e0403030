// Puts the page together: the filters, what each control does, and the first view.

// Asks for another view.
const ask = (change) => {
  Object.assign(view, change);
  writeView();
  showView();
  scrollTo(0, 0);
};

// The view that the grid shows, without the open task.
let shownHash;
const hashWithoutTask = () => JSON.stringify({ ...view, open: "" });

// Shows the tasks of the view, and the view in the controls.
const showView = () => {
  const { found, counts } = selectTasks();
  for (const box of document.querySelectorAll(".chip input")) {
    box.checked = view[box.name].includes(box.value);
    box.nextElementSibling.textContent = (counts[box.name][box.value] ?? 0).toLocaleString();
  }
  if (find("search").value !== view.q) find("search").value = view.q;
  find("from").value = view.from;
  find("to").value = view.to;
  find("sort").value = view.sort;
  showSize();
  find("dates").lastChild.textContent = datesText();
  find("dates").classList.toggle("on", Boolean(view.from || view.to));
  find("count").textContent = isFiltered()
    ? `${found.length.toLocaleString()} of ${counted(tasks.length, "task")}`
    : counted(tasks.length, "task");
  find("clear").hidden = !isFiltered();
  find("play-all").disabled = !found.length;
  find("empty").hidden = found.length > 0;
  const [large, small] = find("empty").children;
  large.textContent = tasks.length ? "No task is like that" : "Nothing here yet";
  small.textContent = tasks.length
    ? "Try fewer words or filters."
    : "Archive some tasks, then write this page again: it fills itself.";
  setFound(found);
  shownHash = hashWithoutTask();
};

const showSize = () => {
  const size = view.size || PLAIN_SIZE;
  find("size").value = size;
  find("size").style.setProperty("--at", `${((size - 1) / (Object.keys(SIZES).length - 1)) * 100}%`);
};
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const datesText = () => {
  const [from, to] = ["from", "to"].map((name) => view[name] && shortDay.format(new Date(`${view[name]}T12:00`)));
  if (from && to) return from === to ? from : `${from} – ${to}`;
  return from ? `Since ${from}` : to ? `Until ${to}` : "Any date";
};

const fillFilters = () => {
  const chips = (name, entries) => {
    for (const [value, label] of entries) {
      const box = make("input", { type: "checkbox", name, value });
      box.addEventListener("change", () => {
        const others = view[name].filter((other) => other !== value);
        ask({ [name]: box.checked ? [...others, value] : others });
      });
      const chip = make("label", { className: `chip of-${name}` }, label, box, make("span"));
      find(`${name}s`).append(chip);
    }
  };
  // A filter without tasks, or with all of them, is left out.
  const some = (table, has) => Object.entries(table).filter(([value]) => tasks.some((task) => has(task, value)));
  chips("kind", some(KINDS, hasKind));
  chips("platform", [...platforms.keys()].map((name) => [name, wordsFrom(name)]));
  const states = some(STATES, (task, state) => stateOf(task) === state);
  chips("state", states.length > 1 ? states : []);
  find("platforms").hidden = platforms.size < 2;
  find("states").hidden = states.length < 2;
  document.querySelectorAll(".of-kind, .of-state").forEach((chip, index) => setChipKey(chip, index, ""));
  document.querySelectorAll(".of-platform").forEach((chip, index) => setChipKey(chip, index, "Shift"));
  for (const [value, { label }] of Object.entries(SORTS)) find("sort").append(make("option", { value }, label));
};
const setChipKey = (chip, index, modifier) => {
  const names = index < 9 ? [modifier, index + 1].filter(Boolean) : ["F"];
  chip.querySelector("input").setAttribute("aria-keyshortcuts", names.join("+"));
  chip.title = `${index < 9 ? names.join(" ").toLowerCase() : "f, then Tab"}`;
};

const resize = (by) => {
  const next = String(Number(view.size || PLAIN_SIZE) + by);
  if (!Object.hasOwn(SIZES, next)) return;
  view.size = next === String(PLAIN_SIZE) ? "" : next;
  showSize();
  writeView();
  shownHash = hashWithoutTask();
  measure();
};
const nextSort = () => {
  const names = Object.keys(SORTS);
  ask({ sort: names[(names.indexOf(view.sort) + 1) % names.length] });
  say(`Order: ${SORTS[view.sort].label}`);
};

// A panel below its button, within the window.
const putPanel = (panel, button) => {
  const box = button.getBoundingClientRect();
  panel.style.top = `${box.bottom + 8}px`;
  panel.style.left = `${Math.max(12, Math.min(box.left, innerWidth - panel.offsetWidth - 12))}px`;
};
const setDates = (days) => {
  const text = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
  const from = new Date();
  from.setDate(from.getDate() - days + 1);
  ask({ from: text(from), to: "" });
  find("date-panel").hidePopover();
};

const listen = () => {
  const on = (id, act, event = "click") => find(id).addEventListener(event, act);
  on("search", () => ask({ q: find("search").value }), "input");
  on("search", (event) => {
    if (!["Enter", "ArrowDown", "Escape"].includes(event.key) || !order.length) return;
    event.preventDefault();
    moveTo(0);
  }, "keydown");
  for (const name of ["from", "to"]) on(name, (event) => ask({ [name]: dayFrom(event.target.value) }), "change");
  on("sort", (event) => ask({ sort: event.target.value }), "change");
  on("size", (event) => resize(event.target.value - Number(view.size || PLAIN_SIZE)), "input");
  on("clear", () => {
    // The button that had the focus is no longer there.
    if (document.activeElement === find("clear")) find("search").focus();
    ask({ q: "", kind: [], platform: [], state: [], from: "", to: "" });
  });
  on("filters", (event) => event.preventDefault(), "submit");
  on("date-panel", (event) => event.newState === "open" && putPanel(find("date-panel"), find("dates")), "toggle");
  for (const button of document.querySelectorAll("[data-days]")) button.addEventListener("click", () => setDates(Number(button.dataset.days)));
  on("show-keys", () => find("help").showModal());
  on("help-close", () => find("help").close());
  on("help", (event) => event.target === find("help") && find("help").close());
  on("previous", () => turn(-1));
  on("next", () => turn(1));
  on("close", () => viewer.close());
  on("zoom-in", () => zoom(1));
  on("zoom-out", () => zoom(-1));
  on("screen", toggleScreen);
  for (const button of document.querySelectorAll(".playing-all")) button.addEventListener("click", togglePlayAll);
  for (const button of document.querySelectorAll(".muting")) button.addEventListener("click", () => setMuted(!sound.muted));
  on("pick-some", () => setPicking(!isPicking));
  on("download", () => sayWhere(find("download")));
  on("pick-shown", () => select(shown.task));
  on("copy-prompt", copyPrompt);
  for (const id of ["copy-id", "copy-ids"]) on(id, copyIds);
  for (const id of ["copy-command", "copy-commands"]) on(id, copyCommand);
  on("pick-all", selectAll);
  on("pick-none", clearSelection);
  on("track-back", () => turnTrack(-1));
  on("track-next", () => turnTrack(1));
  on("track-close", stopTrack);
  on("dock-title", () => openTask(track.task));
};

// The view as the URL says it. Only another view is shown anew: opening and closing a task changes nothing in the grid.
const show = () => {
  isPushed = false;
  clearTimeout(writing);
  readView();
  if (hashWithoutTask() !== shownHash) showView();
  follow();
};

for (const button of document.querySelectorAll("[data-icon]")) setIcon(button, button.dataset.icon);
fillFilters();
fillKeys();
listen();
addEventListener("popstate", show);
addEventListener("hashchange", show);
// An empty archive has no search and no filters.
find("filters").hidden = find("search").parentNode.hidden = find("play-all").hidden = !tasks.length;
try {
  document.title = find("title").textContent = decodeURIComponent(location.pathname.split("/").at(-2)) || "Gallery";
} catch {
  // A folder name that can't be decoded is not shown.
}
show();
// On a phone the filters stay in sight, and what is above them scrolls away.
const fitHeader = () => find("header").style.setProperty("--above", `${find("filters").offsetTop - 8}px`);
fitHeader();
addEventListener("resize", fitHeader);

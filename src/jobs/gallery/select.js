// The selection of tasks, and what goes to the clipboard: ids, prompts, and an `export` command for a shell.
const selected = new Set(); // Tasks, in the order of selection.
let latestPick;
let isPicking = false; // Whether a click selects instead of opening.

const isSelected = (task) => selected.has(task);
const select = (task, isOn = !isSelected(task)) => {
  if (isOn) selected.add(task);
  else selected.delete(task);
  latestPick = task;
  updateSelection();
};
// From the task that was selected last to this one.
const selectTo = (task) => {
  const [from, to] = [order.indexOf(latestPick), order.indexOf(task)].sort((a, b) => a - b);
  for (const other of from < 0 ? [task] : order.slice(from, to + 1)) selected.add(other);
  latestPick = task;
  updateSelection();
};
const selectAll = () => {
  for (const task of order) selected.add(task);
  updateSelection();
};
const clearSelection = () => setPicking(false);
const setPicking = (isOn) => {
  isPicking = isOn;
  if (!isOn) selected.clear();
  updateSelection(isOn);
};
// Without a selection, the mode stays only if it was asked for.
const updateSelection = (staysOn = false) => {
  isPicking = staysOn || selected.size > 0;
  for (const tile of tiles.values()) {
    const box = tile.querySelector(".pick input");
    box.checked = isSelected(tile.task);
    tile.classList.toggle("picked", box.checked);
  }
  grid.classList.toggle("picking", isPicking);
  find("picked").hidden = !isPicking;
  find("pick-some").setAttribute("aria-pressed", isPicking);
  for (const id of ["copy-ids", "copy-commands"]) find(id).disabled = !selected.size;
  find("picked-count").textContent = `${selected.size.toLocaleString()} selected`;
  if (shown) find("pick-shown").setAttribute("aria-pressed", isSelected(shown.task));
  fitBottom();
};
// What an action is about: the selection, else the task that is shown or has the focus.
const chosen = () => {
  if (shown) return [shown.task];
  if (selected.size) return tasks.filter(isSelected);
  return currentTask() ? [currentTask()] : [];
};

// A line for a list of ids: JSON if a plain line can't hold the id. It is ASCII, because PowerShell may pipe nothing else, and has no
// `!`, with which bash would repeat an older command.
const TITLES = ["id", "task_id", "task-id", "taskid"];
const isPlainId = (id) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id) && !TITLES.includes(id.toLowerCase());
const escaped = (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
const idLine = (id) => (isPlainId(id) ? id : JSON.stringify({ id }).replaceAll("\\\\", "\\u005c").replace(/[^\x20-\x7e]|[!']/g, escaped));

const hasControls = (text) => /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/.test(text);
// A text as one word of a POSIX shell, or of PowerShell, where a quote within quotes is doubled.
const shellWord = (text, isWindows) => {
  if (/^[A-Za-z0-9_./:@%+=-]+$/.test(text) && !(isWindows && /[@%]/.test(text))) return text;
  return isWindows ? `'${text.replace(/['\u2018-\u201b]/g, "$&$&")}'` : `'${text.replaceAll("'", "'\\''")}'`;
};

// The folder of the archive, and whether Windows has it, from the URL of this page.
const archiveFolder = () => {
  const url = new URL(base || ".", location.href);
  try {
    const path = decodeURIComponent(url.pathname).replace(/(?<=.)\/$/, "");
    const isWindows = /^\/[A-Za-z]:/.test(path) || Boolean(url.host);
    if (url.protocol !== "file:" || hasControls(path)) return { folder: "ARCHIVE", isWindows: false };
    return { folder: isWindows ? (url.host ? `//${url.host}${path}` : path.slice(1)) : path, isWindows };
  } catch {
    // A folder whose name is not UTF-8.
    return { folder: "ARCHIVE", isWindows: false };
  }
};

// Longer commands are refused by some systems.
const LONGEST = 6000;
const exportCommand = (ids, { folder, isWindows }) => {
  const word = (text) => shellWord(text, isWindows);
  const start = `yescale-dl export files ${word(folder)} -O selected`;
  const listed = ids.map((id) => (id.startsWith("-") ? word(`--task=${id}`) : `--task ${word(id)}`)).join(" ");
  // PowerShell loses a double quote in an argument.
  const isHard = (id) => hasControls(id) || (isWindows && id.includes('"'));
  if (!ids.some(isHard) && start.length + listed.length < LONGEST) return `${start} ${listed}\n`;
  const lines = ids.map(idLine).join("\n");
  // The lines have no quote and no doubled backslash: fish reads them as sh, bash and zsh do.
  return isWindows ? `@'\n${lines}\n'@ | ${start} -i -\n` : `printf '%s\\n' '${lines}' | ${start} -i -\n`;
};

const copy = async (text, done) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Some browsers give a page from disk no clipboard.
    const area = make("textarea", { value: text, className: "unseen", ariaHidden: "true" });
    const before = document.activeElement;
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    before?.focus({ preventScroll: true });
    if (!isCopied) return say("This browser gives the page no clipboard");
  }
  say(done);
};
const copyIds = () => {
  const list = chosen();
  if (list.length) copy(list.map((task) => idLine(task.id)).join("\n") + (list.length > 1 ? "\n" : ""), `Copied ${counted(list.length, "id")}`);
};
const copyPrompt = () => {
  const list = chosen();
  const texts = list.map((task) => promptOf(task) || task.x).filter(Boolean);
  if (!texts.length) return list.length ? say("This task has no prompt") : undefined;
  copy(texts.join("\n\n"), texts.length > 1 ? `Copied ${counted(texts.length, "prompt")}` : promptOf(list[0]) ? "Copied the prompt" : "Copied the text");
};
const copyCommand = () => {
  const list = chosen();
  if (!list.length) return;
  const archive = archiveFolder();
  const shell = archive.isWindows ? ", for PowerShell" : "";
  copy(exportCommand(list.map((task) => task.id), archive), `Copied a command for ${counted(list.length, "task")}${shell}`);
};

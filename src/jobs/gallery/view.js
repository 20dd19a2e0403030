// The view: search, filters, order, tile size and the open task, kept in the URL's fragment. Says which tasks it shows.
const tasks = JSON.parse(find("data").textContent);
const isListed = find("data").dataset.order === "given";

// How often each platform occurs, the most frequent first.
const platforms = (() => {
  const counts = new Map();
  for (const task of tasks) if (task.p) counts.set(task.p, (counts.get(task.p) ?? 0) + 1);
  return new Map([...counts].sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1)));
})();

const down = (one, other) => (one === other ? 0 : other - one);
const collator = new Intl.Collator(undefined, { numeric: true });
// What each order compares, and how. Tasks without a time are last.
const SORTS = {
  // The order of the data.
  "": { label: isListed ? "As listed" : "Newest" },
  ...(isListed && { new: { label: "Newest", key: (task) => task.t ?? -Infinity, compare: down } }),
  old: { label: "Oldest", key: (task) => -(task.t ?? Infinity), compare: down },
  size: { label: "Largest", key: bytesOf, compare: down },
  long: { label: "Longest", key: secondsOf, compare: down },
  title: { label: "Title", key: titleOf, compare: collator.compare },
};

const SIZES = { 1: 90, 2: 125, 3: 165, 4: 215, 5: 280, 6: 360, 7: 460 };
const PLAIN_SIZE = 4;
let view = {};

// A day that a calendar has, else none.
const dayFrom = (text) => (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : "");

const readView = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  const some = (name, isKnown) => (asked.get(name) ?? "").split(",").filter((word) => word && isKnown(word));
  const day = (name) => dayFrom(asked.get(name) ?? "");
  const within = (table) => (word) => Object.hasOwn(table, word);
  const sort = asked.get("sort") ?? "";
  view = {
    q: asked.get("q") ?? "",
    kind: some("kind", within(KINDS)),
    platform: asked.getAll("platform").filter((name) => platforms.has(name)),
    state: some("state", within(STATES)),
    from: day("from"),
    to: day("to"),
    sort: Object.hasOwn(SORTS, sort) ? sort : "",
    size: Object.hasOwn(SIZES, asked.get("size")) ? asked.get("size") : "",
    open: asked.get("open") ?? "",
  };
};
const viewHash = () => {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) {
    // The name of a platform may have a comma.
    if (name === "platform") value.forEach((platform) => asked.append(name, platform));
    else if (value.length) asked.set(name, String(value));
  }
  return `#${asked}`;
};
// Browsers limit how often a page may do that; then it is done later.
let writing;
const writeView = () => {
  clearTimeout(writing);
  try {
    history.replaceState(null, "", viewHash());
  } catch {
    writing = setTimeout(writeView, 1000);
  }
};
const isFiltered = () => ["q", "kind", "platform", "state", "from", "to"].some((name) => view[name].length);

const sortTasks = (found) => {
  const { key, compare } = SORTS[view.sort];
  if (!compare) return found;
  const keyed = found.map((task) => [key(task), task]);
  return keyed.sort(([one], [other]) => compare(one, other)).map(([, task]) => task);
};
// The tasks of the view in its order, and for each filter how many tasks it would show together with the other filters.
const selectTasks = () => {
  const terms = plain(view.q).split(/\s+/).filter(Boolean);
  const [from, to] = [view.from && new Date(`${view.from}T00:00`) / 1000, view.to && new Date(`${view.to}T23:59:59`) / 1000];
  const [kind, platform, state] = [Object.create(null), Object.create(null), Object.create(null)];
  const counts = { kind, platform, state };
  const add = (name, value) => (counts[name][value] = (counts[name][value] ?? 0) + 1);
  const wanted = view.kind.reduce((bits, kind) => bits | KIND_BITS[kind], 0);
  const found = tasks.filter((task) => {
    if ((from && !(task.t >= from)) || (to && !(task.t <= to))) return false;
    if (terms.length && !terms.every((term) => wordsOf(task).includes(term))) return false;
    const [state, platform] = [stateOf(task), task.p ?? ""];
    const isKind = !view.kind.length || (lookOf(task).kinds & wanted) > 0;
    const isState = !view.state.length || view.state.includes(state);
    const isPlatform = !view.platform.length || view.platform.includes(platform);
    if (isState && isPlatform) for (const kind in KINDS) if (hasKind(task, kind)) add("kind", kind);
    if (isKind && isPlatform) add("state", state);
    if (isKind && isState) add("platform", platform);
    return isKind && isState && isPlatform;
  });
  return { found: sortTasks(found), counts };
};

// The page: search and filters, the grid, the viewer of one task, the keyboard. Only cards near the window are in the document, and
// media are loaded only where scrolling stops. So a hundred thousand tasks cost as much as a hundred.
(() => {
  const find = (id) => document.getElementById(id);
  const [grid, viewer, stage, search] = ["grid", "viewer", "stage", "search"].map(find);
  const tasks = JSON.parse(find("data").textContent);

  // The view: search, filters and the open task, kept in the URL's fragment.
  let view,
    found = [],
    current = 0;
  const readView = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const some = (name, known) => (asked.get(name) ?? "").split(",").filter((word) => Object.hasOwn(known, word));
    const day = (name) => (/^\d{4}-\d\d-\d\d$/.test(asked.get(name)) ? asked.get(name) : "");
    view = {
      q: asked.get("q") ?? "",
      kind: some("kind", KINDS),
      state: some("state", STATES),
      from: day("from"),
      to: day("to"),
      open: asked.get("open") ?? "",
    };
    search.value = view.q;
    for (const box of document.querySelectorAll(".chip input")) box.checked = view[box.name].includes(box.value);
    for (const name of ["from", "to"]) find(name).value = view[name];
  };
  const writeView = () => {
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(view)) if (value.length) asked.set(name, String(value));
    history.replaceState(null, "", `#${asked}`);
  };
  const filter = () => {
    const terms = plain(view.q).split(/\s+/).filter(Boolean);
    const [from, to] = [view.from && new Date(`${view.from}T00:00`) / 1000, view.to && new Date(`${view.to}T23:59:59`) / 1000];
    const counts = {};
    found = tasks.filter((task) => {
      if ((from && !(task.t >= from)) || (to && !(task.t <= to))) return false;
      if (terms.length && !terms.every((term) => wordsOf(task).includes(term))) return false;
      const kinds = Object.keys(KINDS).filter((kind) => hasKind(task, kind));
      const isKind = !view.kind.length || kinds.some((kind) => view.kind.includes(kind));
      const isState = !view.state.length || view.state.includes(stateOf(task));
      // The number of a filter is the count of tasks that it would show together with the other filters.
      if (isState) for (const kind of kinds) counts[kind] = (counts[kind] ?? 0) + 1;
      if (isKind) counts[stateOf(task)] = (counts[stateOf(task)] ?? 0) + 1;
      return isKind && isState;
    });
    for (const box of document.querySelectorAll(".chip input"))
      box.nextElementSibling.textContent = (counts[box.value] ?? 0).toLocaleString();
    current = 0;
    const isFiltered = Boolean(terms.length || view.kind.length || view.state.length || from || to);
    find("count").textContent = isFiltered
      ? `${found.length.toLocaleString()} of ${counted(tasks.length, "task")}`
      : counted(tasks.length, "task");
    find("clear").hidden = !isFiltered;
    find("empty").hidden = found.length > 0;
    const [large, small] = find("empty").children;
    large.textContent = tasks.length ? "No task is like that" : "Nothing here yet";
    small.textContent = tasks.length
      ? "Try fewer words or filters."
      : "Archive some tasks, then write this page again: it fills itself.";
    for (const card of [...cards.values()]) drop(card);
    measure();
  };
  const ask = (change) => {
    Object.assign(view, change);
    writeView();
    filter();
    scrollTo(0, 0);
  };

  // The grid. All cards have one size, so that arithmetic finds the cards near the window.
  const cards = new Map();
  let columns, width, gap, step;
  const measure = () => {
    const style = getComputedStyle(grid);
    const [card, between, foot] = ["--card", "--gap", "--foot"].map((name) => parseFloat(style.getPropertyValue(name)));
    gap = between;
    columns = Math.max(1, Math.floor((grid.clientWidth + gap) / (card + gap)));
    width = (grid.clientWidth - gap * (columns - 1)) / columns;
    step = width * 0.75 + foot + gap;
    grid.style.height = `${Math.max(0, Math.ceil(found.length / columns) * step - gap)}px`;
    for (const card of cards.values()) put(card);
    paint();
    cards.forEach(fill);
  };
  const put = (card) => {
    const [row, column] = [Math.floor(card.index / columns), card.index % columns];
    Object.assign(card.style, {
      top: `${row * step}px`,
      left: `${column * (width + gap)}px`,
      width: `${width}px`,
      height: `${step - gap}px`,
    });
  };
  let settling;
  const paint = () => {
    const seen = -grid.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor((seen - innerHeight) / step) * columns);
    const last = Math.min(found.length, Math.ceil((seen + 2 * innerHeight) / step) * columns);
    for (const card of [...cards.values()]) {
      if ((card.index < first || card.index >= last) && !card.contains(document.activeElement)) drop(card);
    }
    let next = grid.firstElementChild;
    for (let index = first; index < last; index++) {
      while (next && next.index < index) next = next.nextElementSibling;
      if (next?.index === index) continue;
      const card = Object.assign(cardOf(found[index]), { index });
      card.firstChild.addEventListener("click", () => open(card.task));
      card.setAttribute("aria-setsize", found.length);
      card.setAttribute("aria-posinset", index + 1);
      cards.set(index, card);
      put(card);
      grid.insertBefore(card, next);
    }
    const stop = cards.has(current) ? current : Math.min(last - 1, Math.max(first, Math.ceil(seen / step) * columns));
    for (const card of cards.values()) card.firstChild.tabIndex = card.index === stop ? 0 : -1;
    clearTimeout(settling);
    settling = setTimeout(() => cards.forEach(fill), 80);
  };
  const drop = (card) => {
    for (const media of card.querySelectorAll("video, audio")) {
      media.removeAttribute("src");
      media.load();
    }
    card.remove();
    cards.delete(card.index);
  };
  const fill = (card) => {
    if (card.isFilled) return;
    card.isFilled = true;
    if (card.cover) card.querySelector(".thumb").prepend(mediaOf(card.task, card.cover, true));
    if (card.played) card.append(mediaOf(card.task, card.played, true));
  };
  const moveTo = (index) => {
    current = Math.max(0, Math.min(found.length - 1, index));
    const top = grid.getBoundingClientRect().top + Math.floor(current / columns) * step;
    const header = document.querySelector("header");
    const ceiling = getComputedStyle(header).position === "sticky" ? header.offsetHeight : 0;
    if (top < ceiling + 16) scrollBy(0, top - ceiling - 16);
    else if (top + step > innerHeight) scrollBy(0, top + step - innerHeight);
    paint();
    cards.get(current)?.firstChild.focus({ preventScroll: true });
  };

  // The viewer of one task.
  const open = (task) => {
    view.open = task.id;
    writeView();
    const at = found.indexOf(task);
    if (at >= 0) current = at;
    find("place").textContent = at < 0 ? "" : `${(at + 1).toLocaleString()} / ${found.length.toLocaleString()}`;
    find("previous").disabled = at <= 0;
    find("next").disabled = at < 0 || at === found.length - 1;
    find("viewer-title").textContent = title(task);
    const shown = (task.f ?? []).map((file) => figureOf(task, file));
    if (task.x) shown.push(make("p", { className: "text", dir: "auto" }, task.x));
    if (!shown.length)
      shown.push(make("p", { className: "text", dir: "auto" }, trouble(task) || "There is nothing in this task."));
    stage.replaceChildren(...shown);
    stage.className = shown.length > 1 && !task.x ? "many" : "";
    find("facts").replaceChildren(...factsOf(task));
    if (!viewer.open) viewer.showModal();
    stage.scrollTop = 0;
    stage.focus();
  };
  const turn = (by) => {
    const next = found[found.findIndex((task) => task.id === view.open) + by];
    if (next && view.open) open(next);
  };
  const follow = () => {
    const task = view.open && tasks.find((task) => task.id === view.open);
    if (task) open(task);
    else viewer.close();
  };
  viewer.addEventListener("close", () => {
    // The browser has already returned the focus to where it was before.
    const at = found.findIndex((task) => task.id === view.open);
    stage.replaceChildren();
    view.open = "";
    writeView();
    if (found.length) moveTo(at < 0 ? current : at);
  });

  // Input.
  const chips = (name, labels) => {
    for (const [value, label] of Object.entries(labels)) {
      // A filter without tasks is left out.
      if (!tasks.some((task) => (name === "kind" ? hasKind(task, value) : stateOf(task) === value))) continue;
      const box = make("input", { type: "checkbox", name, value });
      box.addEventListener("change", () =>
        ask({ [name]: [...document.querySelectorAll(`.chip input[name=${name}]:checked`)].map((box) => box.value) }),
      );
      find(`${name}s`).append(make("label", { className: "chip" }, label, box, make("span")));
    }
  };
  chips("kind", KINDS);
  chips("state", STATES);
  search.addEventListener("input", () => ask({ q: search.value }));
  for (const name of ["from", "to"]) find(name).addEventListener("change", (event) => ask({ [name]: event.target.value }));
  find("clear").addEventListener("click", () => {
    location.hash = "";
    search.focus();
  });
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("previous").addEventListener("click", () => turn(-1));
  find("next").addEventListener("click", () => turn(1));
  find("close").addEventListener("click", () => viewer.close());
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, audio, video")) return;
    const moves = viewer.open
      ? { ArrowLeft: () => turn(-1), ArrowRight: () => turn(1) }
      : {
          "/": () => search.focus(),
          ...(event.target.closest("#grid") && {
            ArrowLeft: () => moveTo(current - 1),
            ArrowRight: () => moveTo(current + 1),
            ArrowUp: () => current >= columns && moveTo(current - columns),
            ArrowDown: () => current + columns < found.length && moveTo(current + columns),
            Home: () => moveTo(0),
            End: () => moveTo(found.length - 1),
          }),
        };
    if (!Object.hasOwn(moves, event.key)) return;
    event.preventDefault();
    moves[event.key]();
  });
  grid.addEventListener("focusin", (event) => (current = event.target.closest("li").index));
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
  for (const [name, act] of [
    ["pointerenter", "play"],
    ["pointerleave", "pause"],
  ]) {
    grid.addEventListener(
      name,
      (event) =>
        event.target.matches?.(".card") &&
        !isCalm.matches &&
        event.target
          .querySelector("video")
          ?.[act]()
          ?.catch(() => {}),
      true,
    );
  }
  document.addEventListener(
    "play",
    (event) => {
      for (const other of document.querySelectorAll("audio, video"))
        if (other !== event.target && !event.target.muted) other.pause();
    },
    true,
  );
  addEventListener("scroll", paint, { passive: true });
  addEventListener("resize", measure);
  const show = () => {
    readView();
    filter();
    follow();
  };
  addEventListener("hashchange", show);
  // An empty archive has no search and no filters.
  find("filters").hidden = search.parentNode.hidden = !tasks.length;

  show();
  try {
    document.title = find("title").textContent = decodeURIComponent(location.pathname.split("/").at(-2)) || "Gallery";
  } catch {
    // A folder name that can't be decoded is not shown.
  }
})();

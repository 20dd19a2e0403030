// The tile of a task in the grid: its cover and caption, the words and the player of a song, or one line for a failure.
const badge = (name, text) => make("span", { className: "badge" }, name && icon(name), text);

const captionOf = (task) => {
  const state = stateOf(task) === "incomplete" || stateOf(task) === "failed" ? STATES[stateOf(task)] : "";
  return make(
    "span",
    { className: "foot" },
    make("span", { className: "name", dir: "auto" }, titleOf(task)),
    make("span", { className: "line" }, state && make("span", { className: "state" }, state), originOf(task)),
  );
};

const thumbBox = (task) => {
  const form = formOf(task);
  const box = make("span", { className: "thumb" });
  if (form === "text") box.append(make("span", { className: "excerpt", dir: "auto" }, task.x.slice(0, 900)));
  if (form === "file") box.append(make("span", { className: "glyph" }, icon("box"), make("span", {}, filesOf(task)[0][0])));
  const seconds = form === "clip" && secondsOf(task);
  const pieces = visualsOf(task).length;
  const badges = [pieces > 1 && badge("stack", `${pieces}`), seconds && badge("play", durationText(seconds))].filter(Boolean);
  if (form !== "song" && badges.length) box.append(make("span", { className: "badges" }, ...badges));
  return box;
};

// A song shows its cover, its player and the first of its words side by side.
const songParts = (task) => {
  const tracks = shaped(task, "audio");
  const count = tracks.length > 1 ? `${tracks.length} tracks` : "";
  const words = make("span", { className: "words", dir: "auto" }, (task.x ?? promptOf(task)).slice(0, 600));
  const card = coverOf(task) ? [thumbBox(task)] : [make("span", { className: "thumb bare" }, icon("note"))];
  const caption = captionOf(task);
  if (count) caption.append(make("span", { className: "line" }, count));
  return [[...card, make("span", { className: "side" }, caption, words)], playerOf(task, tracks[0])];
};

// A task with nothing to look at: what it is, and why.
const lineParts = (task) => {
  const why = troubleOf(task) || "There is nothing in this task.";
  const isBad = stateOf(task) !== "complete";
  return [
    make("span", { className: "state" }, isBad && icon("warning"), STATES[stateOf(task)]),
    make("span", { className: "name", dir: "auto" }, titleOf(task)),
    make("span", { className: "excerpt", dir: "auto" }, why.replaceAll("\n", " · ")),
    make("span", { className: "line" }, [platformOf(task), dateOf(task, days)].filter(Boolean).join(" · ")),
  ];
};

const tileOf = (task) => {
  const form = formOf(task);
  const [parts, player] =
    form === "song" ? songParts(task) : [form === "brief" ? lineParts(task) : [thumbBox(task), captionOf(task)]];
  const card = make("button", { className: "card", type: "button" }, ...parts);
  card.setAttribute("aria-keyshortcuts", "Enter");
  card.addEventListener("click", (event) => {
    if (isLongPress()) return;
    if (event.shiftKey) selectTo(task);
    // While one selects, a click selects; Enter always opens.
    else if (isPicking && event.detail) select(task);
    else openTask(task);
  });
  const box = make("input", { type: "checkbox", tabIndex: -1, ariaLabel: `Select ${titleOf(task)}`, checked: isSelected(task) });
  box.setAttribute("aria-keyshortcuts", "X");
  box.addEventListener("click", (event) => (event.shiftKey ? selectTo(task) : select(task, box.checked)));
  const pick = make("label", { className: "pick", title: "Select (x)" }, box, icon("check"));
  const tile = make("li", { task, className: `${form} ${stateOf(task)}` }, card, pick);
  if (player) tile.append(player);
  return tile;
};

// Loads the cover, once scrolling has stopped here.
const fillTile = (tile, onRatio) => {
  if (tile.isFilled) return;
  tile.isFilled = true;
  tile.cover = coverOf(tile.task);
  if (!tile.cover) return;
  tile.media = thumbOf(tile.task, tile.cover, onRatio);
  fitTile(tile);
  tile.querySelector(".thumb").prepend(tile.media);
};

// Sizes the cover for the tile's box.
const fitTile = (tile) => {
  const { task, box } = tile;
  const cover = coverOf(task);
  if (!cover || !box) return;
  if (formOf(task) === "song") {
    // The cover of a song has the height of its tile, or a part of its width and a margin.
    const ratio = ratioOf(cover);
    const isWhole = box.height * ratio <= box.width * 0.56;
    const width = isWhole ? box.height * ratio : Math.min(box.width * 0.4, (box.height - 24) * ratio);
    const thumb = tile.querySelector(".thumb");
    tile.classList.toggle("inset", !isWhole);
    tile.style.setProperty("--cover", `${width + (isWhole ? 0 : 12)}px`);
    Object.assign(thumb.style, { width: `${width}px`, height: isWhole ? "" : `${width / ratio}px` });
    if (tile.media) fitThumb(tile.media, cover, ratio);
  } else if (tile.media) fitThumb(tile.media, cover, box.width / (box.height - box.foot));
};

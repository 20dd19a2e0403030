// The viewer of one task: its picture or film, its tracks, its words, and what is known about it.
const [viewer, stage, visual] = ["viewer", "stage", "visual"].map(find);
let shown; // { task, file } in the viewer.
let isPushed = false; // Whether closing goes one step back in the browser's history.

// Opens a task that one has chosen. The browser's own step back closes it.
const openTask = (task, options) => {
  view.open = task.id;
  if (viewer.open) writeView();
  else {
    history.scrollRestoration = "manual";
    clearTimeout(writing);
    try {
      history.pushState(null, "", viewHash());
      isPushed = true;
    } catch {
      // Too many steps in a short time: the task opens without one.
    }
  }
  showTask(task, options);
};

// Shows a task in the viewer. With `plays`, its film or song begins.
const showTask = (task, { plays = false } = {}) => {
  const at = order.indexOf(task);
  if (at >= 0) current = at;
  find("place").textContent = at < 0 ? "" : `${(at + 1).toLocaleString()} / ${order.length.toLocaleString()}`;
  find("previous").disabled = at <= 0;
  find("next").disabled = at < 0 || at === order.length - 1;
  find("viewer-title").textContent = titleOf(task);
  shown = { task, file: undefined };
  fillTracks(task);
  fillWords(task);
  fillStrip(task);
  fillAbout(task);
  stage.className = [formOf(task), find("words").hidden ? "" : "worded"].join(" ");
  if (!viewer.open) viewer.showModal();
  showFile(coverOf(task) ?? filesOf(task).find((file) => shapeOf(file) === "file"));
  stage.scrollTop = viewer.scrollTop = find("words").scrollTop = 0;
  update();
  stage.focus({ preventScroll: true });
  if (plays) playShown();
};

const playShown = () => {
  const [song] = shaped(shown.task, "audio");
  if (song && formOf(shown.task) === "song") playTrack(shown.task, song);
  else visual.querySelector("video")?.play().catch(() => {});
};

// Shows one of the task's pictures and films.
const showFile = (file) => {
  shown.file = file;
  release(visual);
  visual.hidden = !file;
  visual.replaceChildren();
  find("caption").replaceChildren();
  if (file) {
    const isFile = shapeOf(file) === "file";
    // No browser shows a 3D model or an archive.
    const node = isFile
      ? make("span", { className: "lost" }, icon("box"), make("span", {}, file[0]))
      : visualOf(shown.task, file, () => fitVisual());
    if (node.localName === "video") {
      node.muted = sound.muted;
      node.addEventListener("ended", () => onEnded());
      node.addEventListener("error", () => isPlayingAll && advance());
    }
    visual.append(node);
    find("caption").append(captionOfFile(shown.task, file));
  }
  for (const button of find("strip").children) button.setAttribute("aria-current", button.file === file);
  resetZoom();
  fitActions();
};
const captionOfFile = (task, file) => {
  const name = isLinked(file) ? make("a", { href: pathOf(task, file), target: "_blank", rel: "noopener" }, file[0]) : file[0];
  if (isLinked(file)) name.setAttribute("aria-keyshortcuts", "O");
  const pixels = file[4] && file[5] && `${file[4]} × ${file[5]}`;
  const facts = [pixels, file[2] && durationText(file[2]), file[3] && `the file: ${durationText(file[3])}`, sizeText(file[1])];
  return make("span", {}, name, ` · ${facts.filter(Boolean).join(" · ")}`);
};

// The other pictures and films, if there are several.
const fillStrip = (task) => {
  const strip = find("strip");
  release(strip);
  const files = [...visualsOf(task), ...shaped(task, "file")];
  const buttons = files.map((file, index) => {
    const isFile = shapeOf(file) === "file";
    const media = isFile ? make("span", { className: "lost" }, icon("box")) : thumbOf(task, file, () => fit());
    const fit = () => {
      const box = Math.min(2.4, Math.max(0.5, ratioOf(file)));
      button.style.width = `${Math.round(box * 64)}px`;
      if (!isFile) fitThumb(media, file, box);
    };
    const button = make("button", { type: "button", file, ariaLabel: `${file[0]}, ${index + 1} of ${files.length}` }, media);
    button.setAttribute("aria-keyshortcuts", "ArrowDown ArrowUp");
    button.addEventListener("click", () => showFile(file));
    fit();
    return button;
  });
  strip.replaceChildren(...buttons);
  strip.hidden = files.length < 2;
};

const fillTracks = (task) => {
  const list = shaped(task, "audio").map((file) => {
    const player = playerOf(task, file);
    for (const control of player.querySelectorAll("button, input")) control.tabIndex = 0;
    player.querySelector("button").addEventListener("click", () => {
      const cover = coverOfTrack(task, file);
      if (cover && cover !== shown.file) showFile(cover);
    });
    return make("li", {}, player, make("p", { className: "caption" }, captionOfFile(task, file)));
  });
  find("tracks").replaceChildren(...list);
  find("tracks").hidden = !list.length;
};

const fillWords = (task) => {
  const isEmpty = formOf(task) === "brief";
  const text = task.x || (isEmpty ? troubleOf(task) || "There is nothing in this task." : "");
  find("words").replaceChildren(make("p", { className: "text", dir: "auto" }, text));
  find("words").hidden = !text;
};

const fillAbout = (task) => {
  const row = (name, text, className = "") => (text ? [make("dt", {}, name), make("dd", { className }, text)] : []);
  const files = filesOf(task).length && `${counted(filesOf(task).length, "file")}, ${sizeText(bytesOf(task))}`;
  find("facts").replaceChildren(
    ...row("Why", troubleOf(task), "bad"),
    ...row("Prompt", promptOf(task)),
    ...row("Platform", platformOf(task)),
    ...row("Model", task.v),
    ...row("From", task.m),
    ...row("Date", dateOf(task, times)),
    ...row("State", STATES[stateOf(task)]),
    ...row("Files", files),
    ...(task.n ?? []).filter(([name]) => !["prompt", "title"].includes(name)).flatMap(([name, text]) => row(name, text)),
    ...row("Task", task.id),
  );
};

// What one can do with the task and the file that are shown.
const fitActions = () => {
  const { task } = shown;
  const file = fileToSave();
  for (const [id, isUseful] of [["copy-prompt", promptOf(task) || task.x], ["download", file], ["open-file", file]])
    find(id).hidden = !isUseful;
  for (const id of ["download", "open-file"]) {
    if (file) find(id).href = pathOf(task, file);
    else find(id).removeAttribute("href");
  }
  if (file) find("download").download = downloadName(task, file);
  find("copy-prompt").lastChild.textContent = promptOf(task) ? "Copy prompt" : "Copy text";
  find("pick-shown").setAttribute("aria-pressed", isSelected(task));
  const canZoom = visual.querySelector("img") !== null;
  for (const id of ["zoom-in", "zoom-out"]) find(id).disabled = !canZoom;
};
const downloadName = (task, file) => `${task.id.replace(/[^\w.-]+/g, "_").slice(0, 80)}-${file[0]}`;
// Some browsers open a file from disk in a new tab, instead of saving it once more.
const sayWhere = (link) => {
  if (location.protocol !== "file:") return;
  const place = new URL(link.href).pathname.split("/").slice(-2).join("/");
  try {
    say(`It is on this disk already: ${decodeURIComponent(place)}`);
  } catch {
    // A folder whose name is not UTF-8.
    say(`It is on this disk already: ${place}`);
  }
};
// The file that is shown, else the song that plays, else the first; never one that could run scripts.
const fileToSave = () => {
  const { task, file } = shown;
  const song = shaped(task, "audio").find((file) => isTrack(task, file)) ?? shaped(task, "audio")[0];
  return [song, file, ...filesOf(task)].find((file) => file && isLinked(file));
};

const turn = (by) => {
  const next = order[order.indexOf(shown.task) + by];
  if (next && order.includes(shown.task)) (isPlayingAll ? playTask : openTask)(next);
};
const turnFile = (by) => {
  const buttons = [...find("strip").children];
  const next = buttons[buttons.findIndex((button) => button.file === shown.file) + by];
  if (!next) return;
  showFile(next.file);
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
};

// Opens or closes the viewer as the URL says.
const follow = () => {
  const task = view.open && tasks.find((task) => task.id === view.open);
  if (!task) viewer.close();
  else if (shown?.task !== task) showTask(task);
};
viewer.addEventListener("close", () => {
  // The event comes late: the viewer may show the next task already.
  if (viewer.open) return;
  const { task } = shown;
  release(viewer);
  for (const id of ["visual", "strip", "tracks", "words"]) find(id).replaceChildren();
  shown = undefined;
  document.body.append(find("toast"));
  if (isPushed) {
    isPushed = false;
    history.back();
  } else {
    view.open = "";
    writeView();
  }
  onClosed();
  update();
  const at = order.indexOf(task);
  moveTo(at < 0 ? current : at);
});

// A finger moves to the next task, unless it moves a picture that is larger than the screen.
let touched;
stage.addEventListener("touchstart", (event) => (touched = event.touches.length === 1 && !event.target.closest("input, #strip") && event.touches[0]), {
  passive: true,
});
stage.addEventListener("touchend", (event) => {
  const [x, y] = touched ? [event.changedTouches[0].clientX - touched.clientX, event.changedTouches[0].clientY - touched.clientY] : [0, 0];
  touched = undefined;
  const isPinched = (window.visualViewport?.scale ?? 1) > 1.05;
  if (Math.abs(x) > 60 && Math.abs(x) > 2 * Math.abs(y) && !isPinched && !isZoomed()) turn(x < 0 ? 1 : -1);
});

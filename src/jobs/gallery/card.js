// The elements of a task: its card in the grid, and its content in the viewer. Texts of a task become text nodes and encoded
// relative paths, never markup.
const make = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
};

const cardOf = (task) => {
  const files = task.f ?? [];
  const [video, image, audio] = ["video", "image", "audio"].map((shape) => files.find((file) => shapeOf(file) === shape));
  const cover = video ?? image;
  const lasts = files.map((file) => file[2]).find(Boolean);
  const bytes = files.reduce((sum, file) => sum + file[1], 0);
  const badges = [lasts && duration(lasts), files.length > 1 && `${files.length} files`, files.length && size(bytes)];
  const excerpt = trouble(task) || task.x?.slice(0, 600);
  const told = badges.filter(Boolean).map((text) => make("span", { className: "badge" }, text));
  const thumb = make("span", { className: "thumb" }, make("span", { className: "badges" }, ...told));
  if (!cover && excerpt) thumb.prepend(make("span", { className: "excerpt", dir: "auto" }, excerpt));
  if (!cover && !excerpt) thumb.prepend(make("span", { className: "glyph", ariaHidden: "true" }, audio ? "♪" : files.length ? "◇" : "∅"));
  const line = make(
    "span",
    { className: "line" },
    [...platform(task).slice(0, own(task) ? 2 : 1), date(task, days)].filter(Boolean).join(" · "),
  );
  if (task.s) line.prepend(make("span", { className: "state" }, STATES[task.s]), " ");
  const foot = make("span", { className: "foot" }, make("span", { className: "name", dir: "auto" }, title(task)), line);
  const button = make("button", { className: "card", type: "button" }, thumb, foot);
  const played = video ? undefined : audio;
  return make("li", { task, cover, played, className: `${stateOf(task)}${played ? " heard" : ""}` }, button);
};

const mediaOf = (task, file, isSmall) => {
  const shape = shapeOf(file);
  const src = path(task, file);
  const node = {
    image: () => make("img", { loading: "lazy", decoding: "async", alt: isSmall ? "" : title(task), src }),
    video: () =>
      make("video", {
        preload: "metadata",
        muted: isSmall,
        playsInline: true,
        loop: isSmall,
        controls: !isSmall,
        src: isSmall ? `${src}#t=0.01` : src,
      }),
    audio: () => make("audio", { preload: isSmall ? "none" : "metadata", controls: true, src }),
    // No browser shows a 3D model or an archive: its name is a link.
    file: () => make("span", { className: "glyph", ariaHidden: "true" }, "◇"),
  }[shape]();
  if (shape === "video" || shape === "audio") node.setAttribute("aria-label", `${file[0]}: ${title(task)}`);
  if (isSmall && shape === "video") node.tabIndex = -1;
  const lost = isSmall ? "◌" : `${file[0]} is missing, or this browser can't show it`;
  node.addEventListener("error", () => node.replaceWith(make("span", { className: isSmall ? "glyph" : "line" }, lost)));
  return node;
};

const figureOf = (task, file) => {
  const name = LINKED.test(file[0]) ? make("a", { href: path(task, file), target: "_blank", rel: "noopener" }, file[0]) : file[0];
  const own = file[3] && `the file: ${duration(file[3])}`;
  const facts = [file[2] && duration(file[2]), own, size(file[1])].filter(Boolean).join(" · ");
  return make("figure", {}, mediaOf(task, file, false), make("figcaption", {}, name, ` · ${facts}`));
};

const factsOf = (task) => {
  const row = (name, text, className = "") => (text ? [make("dt", {}, name), make("dd", { className }, text)] : []);
  return [
    ...row("State", STATES[stateOf(task)]),
    ...row("Why", trouble(task), "bad"),
    ...row("Date", date(task, times)),
    ...row("From", task.m),
    ...(task.n ?? []).flatMap(([name, text]) => row(name, text)),
    ...row("Task", task.id),
  ];
};

// The pictures and films of a task as elements, at encoded relative paths. What a file shows of its size corrects the layout.

// The pixels that a loaded element has shown: [width, height].
const pixelsOf = (media) => [media.naturalWidth || media.videoWidth || 0, media.naturalHeight || media.videoHeight || 0];

// Calls `onRatio` when the file shows another ratio than it was laid out with, and replaces what can't be shown by `lost`.
const watch = (media, file, lost, onRatio) => {
  const learn = () => {
    const [width, height] = pixelsOf(media);
    if (!width || !height) return;
    const before = ratioOf(file);
    ratios.set(file, width / height);
    onRatio(Math.abs(width / height / before - 1) > 0.01);
  };
  media.addEventListener(media.localName === "video" ? "loadedmetadata" : "load", learn);
  media.addEventListener("error", () => media.replaceWith(lost()));
  return media;
};

const lostMark = (text) => () => make("span", { className: "lost" }, icon("lost"), text && make("span", {}, text));

// A small picture, or a silent film that plays while one points at it.
const thumbOf = (task, file, onRatio = () => {}) => {
  const src = pathOf(task, file);
  const media =
    shapeOf(file) === "video"
      ? make("video", { preload: "metadata", muted: true, playsInline: true, loop: true, tabIndex: -1, src: `${src}#t=0.01` })
      : make("img", { decoding: "async", alt: "", src });
  media.setAttribute("aria-hidden", "true");
  return watch(media, file, lostMark(), onRatio);
};

// The picture or film itself. Its film has the browser's own controls.
const visualOf = (task, file, onRatio) => {
  const src = pathOf(task, file);
  const media =
    shapeOf(file) === "video"
      ? make("video", { preload: "metadata", playsInline: true, controls: true, src })
      : make("img", { decoding: "async", alt: titleOf(task), src });
  if (media.localName === "video") media.setAttribute("aria-label", `${file[0]}: ${titleOf(task)}`);
  return watch(media, file, lostMark(`${file[0]} is missing, or this browser can't show it`), onRatio);
};

// Gives a thumb the part of its box that keeps its ratio.
const fitThumb = (media, file, box) => {
  const part = ratioOf(file) / box;
  const isWhole = Math.abs(part - 1) < 0.02;
  media.style.width = isWhole || part > 1 ? "100%" : `${part * 100}%`;
  media.style.height = isWhole || part < 1 ? "100%" : `${100 / part}%`;
};

// Frees what a film or a sound holds.
const release = (parent) => {
  for (const media of parent.querySelectorAll("video")) {
    media.removeAttribute("src");
    media.load();
  }
};

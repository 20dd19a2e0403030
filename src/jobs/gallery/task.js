// Facts and texts of a task, for people and for the search. Nothing here changes the document.
//
// A task as the page's data has it: `id`, `d` folder, `s` state, `t` Unix seconds, `p` platform, `v` model, `m` message,
// `r` reason of a failure, `x` text, `n` notes (name and value), `e` missing files (name and reason), `f` files, `z` width and
// height of each file in turn, 0 where unknown. A file is [name, size, seconds, seconds of the file itself where these contradict],
// to which `lookOf` adds [4] width and [5] height.
const KINDS = { video: "Videos", image: "Images", audio: "Audio", file: "Files", text: "Texts" };
const STATES = { complete: "Complete", partial: "Partial", incomplete: "Incomplete", failed: "Failed" };

const stateOf = (task) => task.s ?? "complete";
const filesOf = (task) => task.f ?? [];
const kindOf = (file) => file[0].slice(0, file[0].indexOf("-"));

// The element that shows a file. The extension decides, because a gateway may call a film an image and a GIF a video.
const SHAPES = {
  image: /\.(jpg|png|webp|gif|avif|svg|bmp)$/,
  audio: /\.(mp3|wav|flac|ogg|opus|m4a|aac)$/,
  video: /\.(mp4|mov|webm|mkv)$/,
};
const shapes = new Map(); // By name. There are few names.
const shapeOf = ([name]) => {
  if (!shapes.has(name)) {
    const shape = Object.keys(SHAPES).find((shape) => SHAPES[shape].test(name)) ?? "file";
    shapes.set(name, name.startsWith("audio-") && shape !== "image" ? "audio" : shape);
  }
  return shapes.get(name);
};
const shaped = (task, shape) => filesOf(task).filter((file) => shapeOf(file) === shape);

// SVG is left out: opened on its own, it could run scripts.
const LINKED = /\.(jpg|png|webp|gif|avif|bmp|mp4|mov|webm|mkv|mp3|wav|flac|ogg|opus|m4a|aac|glb|gltf|obj|usdz|zip|pdf|srt|vtt|json|mid)$/;
const isLinked = (file) => LINKED.test(file[0]);

// What the page needs of each of a hundred thousand tasks, found in one pass over its files: its kinds as bits, its cover, and how
// it is shown: as a song, a clip, a picture, a file, a text, or briefly if there is nothing to look at.
const KIND_BITS = Object.fromEntries(Object.keys(KINDS).map((kind, index) => [kind, 1 << index]));
const lookOf = (task) => {
  if (task.look) return task.look;
  let [kinds, image, video, song, other] = [task.x ? KIND_BITS.text : 0];
  for (const [at, file] of filesOf(task).entries()) {
    if (task.z) [file[4], file[5]] = [task.z[2 * at], task.z[2 * at + 1]];
    kinds |= KIND_BITS[kindOf(file)] ?? 0;
    const shape = shapeOf(file);
    if (shape === "image") image ??= file;
    else if (shape === "video") video ??= file;
    else if (shape === "audio") song ??= file;
    else other ??= file;
  }
  // A film with a sound beside it is a film, unless there are words to sing.
  const isSong = song && (task.x || !video);
  const form = isSong ? "song" : video ? "clip" : image ? "picture" : other ? "file" : "";
  const plainForm = task.x && stateOf(task) !== "failed" ? "text" : "brief";
  return (task.look = { kinds, form: form || plainForm, cover: isSong ? (image ?? video) : (video ?? image) });
};
const hasKind = (task, kind) => (lookOf(task).kinds & KIND_BITS[kind]) > 0;
const formOf = (task) => lookOf(task).form;
const coverOf = (task) => lookOf(task).cover;

// What one can look at. The pictures of a song come first: its film is mostly the same picture.
const visualsOf = (task) => {
  const [videos, images] = [shaped(task, "video"), shaped(task, "image")];
  return formOf(task) === "song" ? [...images, ...videos] : [...videos, ...images];
};
// The picture of a track: each track has its own if there are as many pictures as tracks.
const coverOfTrack = (task, track) => {
  const [tracks, images] = [shaped(task, "audio"), shaped(task, "image")];
  return images.length === tracks.length ? images[tracks.indexOf(track)] : coverOf(task);
};

// Width by height: what the file itself has shown, else the manifest, else a guess.
const ratios = new WeakMap();
const ratioOf = (file) => {
  const [width, height] = [file[4], file[5]];
  return ratios.get(file) ?? (width && height ? width / height : shapeOf(file) === "video" ? 16 / 9 : 1);
};

const note = (task, name) => task.n?.find(([key]) => key === name)?.[1];
const promptOf = (task) => note(task, "prompt") ?? "";
const wordsFrom = (name) => `${name[0].toUpperCase()}${name.slice(1)}`.replaceAll("_", " ");
const platformOf = (task) => (task.p ? wordsFrom(task.p) : "");
const troubleOf = (task) => [task.r, ...(task.e ?? []).map(([slot, error]) => `${slot}: ${error}`)].filter(Boolean).join("\n");
const firstLine = (text) => text?.split("\n").find((line) => !/^\s*(\[.*\])?\s*$/.test(line));
const ownTitle = (task) => (note(task, "title") || promptOf(task) || firstLine(task.x) || "").trim().slice(0, 300);
const titleOf = (task) => ownTitle(task) || task.v || task.m || task.id;

const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const months = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric" });
const times = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const dateOf = (task, format) => (task.t === undefined ? "" : format.format(task.t * 1000));
const durationText = (seconds) => {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes}:${String(whole % 60).padStart(2, "0")}`;
};
const sizeText = (bytes) => {
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power && 1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
};
const counted = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
const bytesOf = (task) => filesOf(task).reduce((sum, file) => sum + file[1], 0);
const secondsOf = (task) => Math.max(0, ...filesOf(task).map((file) => file[3] ?? file[2] ?? 0));
// What made a task, and when.
const originOf = (task) => [platformOf(task), ownTitle(task) && task.v, dateOf(task, days)].filter(Boolean).join(" · ");

// Where the archive is, if the page is elsewhere.
const base = document.getElementById("data").dataset.base;
const pathOf = (task, file) => base + [task.d ?? task.id, file[0]].filter(Boolean).map(encodeURIComponent).join("/");

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const words = new WeakMap(); // What can be searched, made when it first is.
const wordsOf = (task) => {
  if (!words.has(task)) {
    const texts = [task.id, task.p, task.v, task.m, task.x, troubleOf(task), ...(task.n ?? []).flat()];
    words.set(task, plain(texts.filter(Boolean).join("\n")));
  }
  return words.get(task);
};

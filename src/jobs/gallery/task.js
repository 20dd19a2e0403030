"use strict";
// A task's texts for people: kinds, title, paths of files, searchable words. Nothing here changes the document.
const KINDS = { video: "Video", image: "Image", audio: "Audio", file: "File", text: "Text" };
const STATES = { complete: "Complete", partial: "Partial", incomplete: "Incomplete", failed: "Failed" };
// SVG is left out: opened on its own, it could run scripts.
const LINKED = /\.(jpg|png|webp|gif|avif|bmp|mp4|mov|webm|mkv|mp3|wav|flac|ogg|opus|m4a|aac|glb|gltf|obj|usdz|zip|pdf|srt|vtt|json|mid)$/;
const stateOf = (task) => task.s ?? "complete";
const kindOf = (file) => file[0].split("-")[0];
// The element that shows a file. The extension decides, because a gateway may call a film an image and a GIF a video.
const shapeOf = (file) => {
  if (kindOf(file) === "audio" || /\.(mp3|wav|flac|ogg|opus|m4a|aac)$/.test(file[0])) return "audio";
  if (/\.(mp4|mov|webm|mkv)$/.test(file[0])) return "video";
  return /\.(jpg|png|webp|gif|avif|svg|bmp)$/.test(file[0]) ? "image" : kindOf(file);
};
const hasKind = (task, kind) => (kind === "text" ? task.x : task.f?.some((file) => kindOf(file) === kind));
const note = (task, name) => task.n?.find(([key]) => key === name)?.[1];
const platform = (task) => {
  const [, name, model] = (task.m ?? "").split(" - ");
  return model ? [`${name[0] ?? ""}${name.slice(1).toLowerCase()}`.replaceAll("_", " "), model] : [task.m].filter(Boolean);
};
const trouble = (task) => [task.r, ...(task.e ?? []).map(([slot, error]) => `${slot}: ${error}`)].filter(Boolean).join("\n");
const own = (task) =>
  (note(task, "prompt") ?? task.x?.split("\n").find((line) => !/^\s*(\[.*\])?\s*$/.test(line)) ?? "").trim().slice(0, 300);
const title = (task) => own(task) || platform(task).at(-1) || task.id;
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const times = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });
const date = (task, format) => (task.t === undefined ? "" : format.format(task.t * 1000));
const duration = (seconds) => {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return `${hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes}:${String(whole % 60).padStart(2, "0")}`;
};
const size = (bytes) => {
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power && 1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
};
const counted = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;
// Where the archive is, if the page is elsewhere.
const base = document.getElementById("data").dataset.base;
const path = (task, file) => base + [task.d ?? task.id, file[0]].filter(Boolean).map(encodeURIComponent).join("/");
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const words = new WeakMap(); // What can be searched, made when it first is.
const wordsOf = (task) => {
  if (!words.has(task)) words.set(task, plain([task.id, task.m, task.x, ...(task.n ?? []).flat()].filter(Boolean).join("\n")));
  return words.get(task);
};

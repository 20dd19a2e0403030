// The player of songs. One sound plays at a time, and every control of the page that belongs to it follows: that of the tile,
// that of the viewer, and the dock at the bottom.
const sound = new Audio();
sound.preload = "metadata";
const lengths = new WeakMap(); // What files have shown of their length.
let track; // { task, file } that plays, or is paused.

const isTrack = (task, file) => track?.file === file;
const isPlaying = (task, file) => isTrack(task, file) && !sound.paused;
const lengthOf = (file) => lengths.get(file) ?? file[3] ?? file[2] ?? 0;

const playTrack = (task, file) => {
  if (!isTrack(task, file)) {
    track = { task, file };
    sound.src = pathOf(task, file);
    announce();
  }
  sound.play().catch(() => {});
  update();
};
const toggleTrack = (task, file) => (isPlaying(task, file) ? sound.pause() : playTrack(task, file));
const toggleSong = (task) => {
  const tracks = shaped(task, "audio");
  if (tracks.length) toggleTrack(task, tracks.find((file) => isTrack(task, file)) ?? tracks[0]);
};
const stopTrack = () => {
  sound.pause();
  sound.removeAttribute("src");
  track = undefined;
  update();
};
const seekTo = (seconds) => {
  if (track) sound.currentTime = Math.max(0, Math.min(lengthOf(track.file) || Infinity, seconds));
};
// The track before or after this one: of the same song, else of the nearest song of the view.
const turnTrack = (by) => {
  if (!track) return false;
  const tracks = shaped(track.task, "audio");
  const sibling = tracks[tracks.indexOf(track.file) + by];
  if (sibling) return playTrack(track.task, sibling), true;
  for (let at = order.indexOf(track.task) + by; at >= 0 && at < order.length; at += by) {
    const others = shaped(order[at], "audio");
    if (others.length) return playTrack(order[at], others.at(by > 0 ? 0 : -1)), true;
  }
  return false;
};
const setMuted = (isMuted) => {
  sound.muted = isMuted;
  for (const film of document.querySelectorAll("#visual video")) film.muted = isMuted;
  update();
};

// Tells the system's own media keys.
const announce = () => {
  if (!("mediaSession" in navigator) || !window.MediaMetadata) return;
  const { task } = track;
  navigator.mediaSession.metadata = new MediaMetadata({ title: titleOf(task), artist: [platformOf(task), task.v].filter(Boolean).join(" · ") });
};

// The controls of one track: play, position, time.
const playerOf = (task, file) => {
  const name = shaped(task, "audio").length > 1 ? `${titleOf(task)}, ${file[0]}` : titleOf(task);
  const player = make("div", { className: "player", role: "group", ariaLabel: `Player: ${name}`, task, file });
  const play = iconButton("play", `Play ${name}`, () => toggleTrack(player.task, player.file), { tabIndex: -1 });
  play.setAttribute("aria-keyshortcuts", "K");
  const at = make("input", { type: "range", min: 0, step: 0.1, value: 0, tabIndex: -1, ariaLabel: `Position in ${name}` });
  at.setAttribute("aria-keyshortcuts", "J L");
  at.addEventListener("input", () => {
    if (!isTrack(player.task, player.file)) playTrack(player.task, player.file);
    sound.currentTime = Number(at.value);
  });
  player.append(play, at, make("span", { className: "clock" }));
  updatePlayer(player);
  return player;
};
const updatePlayer = (player) => {
  const { task, file } = player;
  const [length, isOurs] = [lengthOf(file), isTrack(task, file)];
  const seconds = isOurs ? sound.currentTime : 0;
  const [play, at, clock] = player.children;
  setIcon(play, isPlaying(task, file) ? "pause" : "play");
  at.max = length || 1;
  at.value = seconds;
  at.style.setProperty("--at", `${length ? (seconds / length) * 100 : 0}%`);
  const of = length ? durationText(length) : "–:––";
  at.setAttribute("aria-valuetext", `${durationText(seconds)} of ${of}`);
  clock.textContent = isOurs ? `${durationText(seconds)} / ${of}` : of;
  player.classList.toggle("playing", isOurs);
};

// The dock shows what plays while one looks at other things.
const dock = find("dock");
const updateDock = () => {
  const isShown = Boolean(track) && !find("viewer").open;
  dock.hidden = !isShown;
  if (!isShown || dock.file === track.file) return;
  dock.file = track.file;
  const { task, file } = track;
  const cover = coverOfTrack(task, file);
  const player = playerOf(task, file);
  for (const control of player.querySelectorAll("button, input")) control.tabIndex = 0;
  release(find("dock-cover"));
  find("dock-cover").replaceChildren(cover ? thumbOf(task, cover, () => fitDock(cover)) : icon("note"));
  if (cover) fitDock(cover);
  find("dock-title").textContent = titleOf(task);
  find("dock-player").replaceChildren(player);
};
const fitDock = (cover) => {
  const media = find("dock-cover").firstElementChild;
  if (media) fitThumb(media, cover, 1);
};

const update = () => {
  document.querySelectorAll(".player").forEach(updatePlayer);
  updateDock();
  for (const button of document.querySelectorAll(".muting")) {
    setIcon(button, sound.muted ? "mute" : "sound");
    button.setAttribute("aria-pressed", sound.muted);
  }
  fitBottom();
};
// The page ends above what covers its bottom.
const fitBottom = () => {
  const bars = [dock, find("picked")].filter((bar) => !bar.hidden);
  document.body.style.paddingBottom = `${bars.reduce((sum, bar) => sum + bar.offsetHeight + 12, 0)}px`;
};

for (const name of ["play", "pause", "timeupdate", "seeked"]) sound.addEventListener(name, update);
for (const name of ["loadedmetadata", "durationchange"]) {
  sound.addEventListener(name, () => {
    if (track && Number.isFinite(sound.duration)) lengths.set(track.file, sound.duration);
    update();
  });
}
sound.addEventListener("ended", () => onEnded());
sound.addEventListener("error", () => {
  if (!track) return;
  say(`${track.file[0]} is missing, or this browser can't play it`);
  onEnded();
});
// One sound at a time: a film with sound stops the song, and a song stops the film.
sound.addEventListener("play", () => {
  for (const film of document.querySelectorAll("video")) if (!film.muted || film.controls) film.pause();
});
document.addEventListener("play", (event) => event.target.controls && sound.pause(), true);

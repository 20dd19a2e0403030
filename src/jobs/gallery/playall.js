// Plays everything that the view shows, from the task that is shown or has the focus: films and songs to their end, pictures and
// texts for some seconds. With the viewer closed, the songs go on.
const [PICTURE, TEXT] = [5000, 9000];
let isPlayingAll = false;
let waiting;

const setPlayingAll = (isOn) => {
  isPlayingAll = isOn;
  clearTimeout(waiting);
  for (const button of document.querySelectorAll(".playing-all")) {
    button.setAttribute("aria-pressed", isOn);
    setIcon(button, isOn ? "pause" : "play");
  }
};
const togglePlayAll = () => {
  if (isPlayingAll) {
    setPlayingAll(false);
    sound.pause();
    visual.querySelector("video")?.pause();
    return;
  }
  if (!order.length) return;
  const start = shown?.task ?? playableFrom(Math.max(0, current), () => true);
  if (!start) return;
  setPlayingAll(true);
  playTask(start);
};
const playableFrom = (index, isWanted) => order.slice(index).find((task) => formOf(task) !== "brief" && isWanted(task));
const playTask = (task) => {
  openTask(task, { plays: true });
  waitForStill();
};
// A picture or a text has no end of its own.
const waitForStill = () => {
  clearTimeout(waiting);
  const form = shown && formOf(shown.task);
  if (isPlayingAll && ["picture", "text", "file", "brief"].includes(form)) waiting = setTimeout(advance, form === "text" ? TEXT : PICTURE);
};
const advance = () => {
  if (!isPlayingAll) return;
  const at = order.indexOf(shown?.task ?? track?.task);
  const next = playableFrom(at + 1, (task) => shown || formOf(task) === "song");
  if (!next) return setPlayingAll(false);
  if (shown) playTask(next);
  else playTrack(next, shaped(next, "audio")[0]);
};
// A film or a track has ended.
const onEnded = () => {
  const tracks = track ? shaped(track.task, "audio") : [];
  const isSong = track && (!shown || formOf(shown.task) === "song");
  const sibling = isSong && tracks[tracks.indexOf(track.file) + 1];
  if (isPlayingAll && sibling) {
    playTrack(track.task, sibling);
    const cover = shown && coverOfTrack(track.task, sibling);
    if (cover) showFile(cover);
  } else if (isPlayingAll) advance();
};
const onClosed = () => {
  clearTimeout(waiting);
  if (!track || sound.paused) setPlayingAll(false);
};

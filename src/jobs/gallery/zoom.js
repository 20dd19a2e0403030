// The size of the picture or film in the viewer: as large as fits, or larger, always in its own ratio.
const STEPS = [1, 1.5, 2, 3, 4, 6, 8, 12];
// A small picture is enlarged this much at most.
const MOST = 4;
let step = 0;
const isZoomed = () => step > 0;

const fitVisual = () => {
  const media = visual.querySelector("img, video");
  if (!media || !shown?.file) return;
  const [, , , , declaredWidth, declaredHeight] = shown.file;
  let [width, height] = pixelsOf(media);
  if (!width) [width, height] = [declaredWidth, declaredHeight];
  // Until it is known how large it is, it has no size.
  media.classList.toggle("waiting", !width || !height);
  if (!width || !height) return;
  const isNarrow = getComputedStyle(viewer).display === "block" && !document.fullscreenElement;
  const [room, height0] = [visual.clientWidth, isNarrow ? innerHeight * 0.62 : visual.clientHeight];
  const fit = Math.min(MOST, room / width, height0 / height);
  media.style.width = `${width * fit * STEPS[step]}px`;
  media.style.height = `${height * fit * STEPS[step]}px`;
  visual.style.maxHeight = isNarrow ? `${innerHeight * 0.75}px` : "";
  visual.classList.toggle("zoomed", isZoomed());
};
const zoomTo = (next) => {
  if (!visual.querySelector("img")) return;
  const [x, y] = [visual.scrollLeft + visual.clientWidth / 2, visual.scrollTop + visual.clientHeight / 2];
  const before = STEPS[step];
  step = Math.max(0, Math.min(STEPS.length - 1, next));
  fitVisual();
  const by = STEPS[step] / before;
  visual.scrollTo(x * by - visual.clientWidth / 2, y * by - visual.clientHeight / 2);
  find("zoom-now").textContent = isZoomed() ? `${Math.round(STEPS[step] * 100)} %` : "";
};
const zoom = (by) => zoomTo(step + by);
const resetZoom = () => {
  step = 0;
  find("zoom-now").textContent = "";
  fitVisual();
};
const pan = (x, y) => visual.scrollBy({ left: x * visual.clientWidth * 0.2, top: y * visual.clientHeight * 0.2 });

const toggleScreen = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else visual.requestFullscreen?.().catch(() => say("This browser does not allow the full screen here"));
};
document.addEventListener("fullscreenchange", () => fitVisual());
addEventListener("resize", () => fitVisual());
visual.addEventListener("dblclick", (event) => event.target.localName === "img" && zoomTo(isZoomed() ? 0 : 2));

// A mouse drags a picture that is larger than the screen. Fingers scroll it.
let dragged;
visual.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || !isZoomed()) return;
  event.preventDefault();
  dragged = event;
  visual.setPointerCapture(event.pointerId);
});
visual.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  visual.scrollBy(dragged.clientX - event.clientX, dragged.clientY - event.clientY);
  dragged = event;
});
for (const name of ["pointerup", "pointercancel"]) visual.addEventListener(name, () => (dragged = undefined));

// The grid: only tiles near the window are in the document, and media are loaded only where scrolling stops. So a hundred
// thousand tasks cost as much as a hundred.
const grid = find("grid");
const tiles = new Map(); // The tiles in the document, by task.
let found = []; // The tasks of the view, in its order.
let [rows, order, current] = [[], [], 0];
let foot = 0;

const tileHeight = () => SIZES[view.size || PLAIN_SIZE] * (innerWidth < 640 ? 0.95 : 1);
const headerBottom = () => Math.max(0, find("header").getBoundingClientRect().bottom);

// Lays all tasks out anew. The first visible task stays where it is on the screen.
const measure = () => {
  const before = rows.length ? rowAt(rows, -grid.getBoundingClientRect().top + headerBottom()) : 0;
  const [anchor, was] = [order[rows[before]?.first], rows[before]?.top];
  const focused = order[current];
  const style = getComputedStyle(grid);
  const [gap, caption, line, lineGap] = ["--gap", "--foot", "--row", "--row-gap"].map((name) =>
    parseFloat(style.getPropertyValue(name)),
  );
  const target = tileHeight();
  measuredWidth = grid.clientWidth;
  foot = target < 120 ? 0 : caption;
  grid.classList.toggle("dense", !foot);
  const laidOut = layOut(found, { width: measuredWidth, target, gap, foot, line, lineGap });
  [rows, order] = [laidOut.rows, laidOut.order];
  grid.style.height = `${laidOut.height}px`;
  current = Math.max(0, focused ? order.indexOf(focused) : 0);
  const index = before > 0 && anchor ? order.indexOf(anchor) : -1;
  if (index >= 0) scrollBy(0, rows[rowOf(rows, index)].top - was);
  for (const tile of tiles.values()) tile.box = undefined;
  paint();
};

let remeasuring;
const onRatio = (isOther) => {
  if (!isOther) return;
  clearTimeout(remeasuring);
  remeasuring = setTimeout(measure, 60);
};

const place = (tile, row, column, gap) => {
  const left = row.widths.slice(0, column).reduce((sum, width) => sum + width + gap, 0);
  const box = { left, top: row.top, width: row.widths[column], height: row.height, foot: formOf(tile.task) === "song" ? 0 : foot };
  tile.box = box;
  for (const side of ["left", "top", "width", "height"]) tile.style[side] = `${box[side]}px`;
  fitTile(tile);
};

let settling;
// Makes the tiles near the window, and drops the others.
const paint = () => {
  const seen = -grid.getBoundingClientRect().top;
  const gap = parseFloat(getComputedStyle(grid).getPropertyValue("--gap"));
  const near = new Set();
  let next = grid.firstElementChild;
  for (let at = rowAt(rows, seen - innerHeight); at < rows.length && rows[at].top < seen + 2 * innerHeight; at++) {
    for (let column = 0; column < rows[at].widths.length; column++) {
      const index = rows[at].first + column;
      const task = order[index];
      const tile = tiles.get(task) ?? tileOf(task);
      near.add(task);
      tiles.set(task, tile);
      if (tile.index !== index || tile.setSize !== order.length) {
        [tile.index, tile.setSize] = [index, order.length];
        tile.setAttribute("aria-setsize", order.length);
        tile.setAttribute("aria-posinset", index + 1);
      }
      if (!tile.box) place(tile, rows[at], column, gap);
      if (tile === next) next = next.nextElementSibling;
      else grid.insertBefore(tile, next);
    }
  }
  for (const [task, tile] of tiles) {
    if (near.has(task) || (tile.contains(document.activeElement) && order[tile.index] === task)) continue;
    release(tile);
    tile.remove();
    tiles.delete(task);
  }
  const isNear = near.has(order[current]);
  const stop = isNear ? current : (rows[Math.min(rows.length - 1, rowAt(rows, seen) + 1)]?.first ?? 0);
  for (const tile of tiles.values()) tile.querySelector(".card").tabIndex = tile.index === stop ? 0 : -1;
  clearTimeout(settling);
  settling = setTimeout(() => tiles.forEach((tile) => fillTile(tile, onRatio)), 80);
};

// Shows other tasks.
const setFound = (selected) => {
  found = selected;
  // The task that has the focus keeps it, where it is still shown.
  const kept = document.activeElement?.closest("#grid li")?.task;
  [rows, order, current] = [[], kept ? [kept] : [], 0];
  for (const tile of tiles.values()) tile.index = undefined;
  measure();
};

const currentTask = () => order[current];

// Moves the focus to a task, and the window with it.
const moveTo = (index) => {
  if (!order.length) return;
  current = Math.max(0, Math.min(order.length - 1, index));
  const row = rows[rowOf(rows, current)];
  const top = grid.getBoundingClientRect().top + row.top;
  const [ceiling, floor] = [headerBottom() + 12, innerHeight - 12 - (parseFloat(document.body.style.paddingBottom) || 0)];
  if (top < ceiling) scrollBy(0, top - ceiling);
  else if (top + row.height > floor) scrollBy(0, Math.min(top - ceiling, top + row.height - floor));
  paint();
  tiles.get(order[current])?.querySelector(".card").focus({ preventScroll: true });
};

// Moves to the tile above or below that is nearest.
const moveByRow = (by) => {
  const at = rowOf(rows, current);
  const to = rows[at + by];
  if (!to) return;
  const middle = (row, column) => {
    const before = row.widths.slice(0, column).reduce((sum, width) => sum + width, 0);
    return (before + row.widths[column] / 2) / Math.max(grid.clientWidth, 1);
  };
  const aim = middle(rows[at], current - rows[at].first);
  const distances = to.widths.map((_, column) => Math.abs(middle(to, column) - aim));
  moveTo(to.first + distances.indexOf(Math.min(...distances)));
};

// Says which month one scrolls through.
let hiding;
const showMonth = () => {
  const row = rows.length && rows[rowAt(rows, -grid.getBoundingClientRect().top + headerBottom())];
  const month = row && rows.length > 12 ? dateOf(order[row.first], months) : "";
  find("month").textContent = month;
  find("month").classList.toggle("shown", Boolean(month));
  clearTimeout(hiding);
  hiding = setTimeout(() => find("month").classList.remove("shown"), 900);
};

grid.addEventListener("focusin", (event) => (current = event.target.closest("li")?.index ?? current));
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
const hover = (act) => (event) => {
  if (!event.target.matches?.(".card") || isCalm.matches) return;
  event.target.querySelector("video")?.[act]()?.catch(() => {});
};
grid.addEventListener("pointerenter", hover("play"), true);
grid.addEventListener("pointerleave", hover("pause"), true);
// A long press selects, as in other galleries.
let pressing;
let pressed = -Infinity;
// Whether a click is the end of a long press.
const isLongPress = () => performance.now() - pressed < 800;
const endPress = () => clearTimeout(pressing);
grid.addEventListener("touchstart", (event) => {
  const task = event.target.closest("li")?.task;
  if (task && !event.target.closest(".player")) pressing = setTimeout(() => {
    pressed = performance.now();
    select(task, true);
  }, 480);
}, { passive: true });
for (const name of ["touchend", "touchmove", "touchcancel"]) grid.addEventListener(name, endPress, { passive: true });
grid.addEventListener("contextmenu", (event) => isPicking && event.pointerType === "touch" && event.preventDefault());
addEventListener("scroll", () => (paint(), showMonth()), { passive: true });
// The bar that scrolls the page takes a part of its width, once there is one.
let measuredWidth;
new ResizeObserver(() => grid.clientWidth !== measuredWidth && measure()).observe(grid);
addEventListener("resize", measure);

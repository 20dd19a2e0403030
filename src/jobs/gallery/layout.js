// Justified rows: each tile keeps the ratio of its picture, and each row fills the width. Pure arithmetic.
//
// A row is { top, height, first, widths }: where it is, and the index of its first task in the order that `layOut` returns.
// Tasks with nothing to look at are lines, and songs on a phone have a row of their own. Both wait until the row before them is
// full, so that no row is broken off.

// Where a song has no room for its words beside other tiles.
const NARROW = 560;

// A tile is neither a thread nor a ribbon. The media in it keep their own ratio in any case.
const [NARROWEST, WIDEST] = [0.45, 3.2];
const tileRatio = (task, form) => {
  if (form === "text") return 1.25;
  const cover = coverOf(task);
  const ratio = cover ? Math.min(WIDEST, Math.max(NARROWEST, ratioOf(cover))) : 1;
  // A song has room for its words beside its cover.
  return form === "song" ? Math.min(ratio, 1.5) * 1.2 + 1.3 : ratio;
};

const layOut = (found, { width, target, gap, foot, line, lineGap }) => {
  const [rows, order] = [[], []];
  // The row that is filled: its tasks, their ratios and the sum of these.
  let [inRow, row, sum] = [[], [], 0];
  let [top, waiting] = [0, []];
  const heightOf = (ratio, count) => (width - gap * (count - 1)) / ratio;
  const isWide = (form) => form === "brief" || (form === "song" && width < NARROW);
  const addWaiting = () => {
    waiting.forEach((task, at) => {
      const height = formOf(task) === "brief" ? line : Math.min(target, 220);
      const next = waiting[at + 1];
      rows.push({ top, height, first: order.length, widths: [width] });
      order.push(task);
      top += height + (formOf(task) === "brief" && next && formOf(next) === "brief" ? lineGap : gap);
    });
    waiting = [];
  };
  const addRow = (height) => {
    if (row.length) {
      rows.push({ top, height: height + foot, first: order.length, widths: row.map((ratio) => ratio * height) });
      order.push(...inRow);
      top += height + foot + gap;
    }
    [inRow, row, sum] = [[], [], 0];
    addWaiting();
  };
  for (const task of found) {
    const { form } = lookOf(task);
    if (isWide(form)) {
      waiting.push(task);
      continue;
    }
    if (!row.length) addWaiting();
    const ratio = tileRatio(task, form);
    const [without, together] = [heightOf(sum, row.length), heightOf(sum + ratio, row.length + 1)];
    // The row is closed before this tile if its height is nearer the target then.
    if (row.length && together < target && without / target < target / together) addRow(without);
    inRow.push(task);
    row.push(ratio);
    sum += ratio;
    const height = heightOf(sum, row.length);
    if (height <= target) addRow(height);
  }
  const last = row.length ? heightOf(sum, row.length) : 0;
  addRow(last < target * 1.25 ? last : target);
  return { rows, order, height: Math.max(0, top - gap) };
};

// The index of the last row whose `field` is at most `value`: rows are in the order of both their fields.
const lastRow = (rows, field, value) => {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (rows[middle][field] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
};
// The row at the height `y`, and the row of a task.
const rowAt = (rows, y) => lastRow(rows, "top", y);
const rowOf = (rows, index) => lastRow(rows, "first", index);

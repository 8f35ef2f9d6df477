/** Where Grafana puts panels: within its 24 columns, never one over another, each as far up as it can go. */

export const COLUMNS = 24;

/**
 * Panels without an id, or with the 0 that the SDK gives rows, get the next free one as in Grafana: in the order of
 * the file, rows and what is in them counted.
 */
export function numbered(panels) {
  const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  let last = Math.max(0, ...all.map(({ id }) => id || 0));
  const withId = (panel) => ({ ...panel, id: panel.id || (last += 1) });
  return panels.map((panel) => {
    const one = withId(panel);
    return panel.panels ? { ...one, panels: panel.panels.map(withId) } : one;
  });
}

/** @returns the panels in their places, and those that the board itself puts elsewhere */
export function laidOut(panels, open) {
  const wanted = open ? opened(panels) : panels;
  const placed = [];
  const moved = [];
  for (const panel of [...wanted].sort((one, other) => order(one.gridPos, other.gridPos))) {
    const { x, y, w, h } = panel.gridPos;
    const place = { w, h, x: Math.max(Math.min(x, COLUMNS - w), 0), y };
    const taken = (row) => placed.some(({ gridPos }) => overlap(gridPos, { ...place, y: row }));
    while (taken(place.y)) place.y += 1;
    while (place.y > 0 && !taken(place.y - 1)) place.y -= 1;
    placed.push({ ...panel, gridPos: place });
    if (place.x !== x || place.y !== y) {
      moved.push(panel);
    }
  }
  return { placed, moved };
}

const order = (one, other) => one.y - other.y || one.x - other.x;

const overlap = (one, other) =>
  one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h;

/** What is in closed rows stands below its row, and all that follows moves down. */
function opened(panels) {
  const all = [];
  let down = 0;
  for (const panel of panels) {
    const moved = { ...panel, gridPos: { ...panel.gridPos, y: panel.gridPos.y + down } };
    if (panel.type !== 'row' || !panel.collapsed) {
      all.push(moved);
      continue;
    }
    const within = panel.panels ?? [];
    const top = Math.min(...within.map(({ gridPos }) => gridPos.y));
    const start = moved.gridPos.y + 1;
    all.push({ ...moved, collapsed: false });
    all.push(...within.map((one) => ({ ...one, gridPos: { ...one.gridPos, y: one.gridPos.y - top + start } })));
    down += Math.max(0, ...within.map(({ gridPos }) => gridPos.y + gridPos.h - top));
  }
  return all;
}

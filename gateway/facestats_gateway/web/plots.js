// A value against a reference distribution: whisker 5-95 %, band 25-75 %, median, the value as a dot.

const SVG = "http://www.w3.org/2000/svg";
const MIDDLE = 9;
// Left of the plot's first and right of its last value, percent of its width: room for half a mark.
const EDGE = 3;

/**
 * @param {number|null} value
 * @param {{p5: number, p25: number, p50: number, p75: number, p95: number}} reference
 * @param {{domain?: [number, number], ideal?: [number, number], range?: object|null, other?: number|null, words: string}} options
 *   range: where the value would lie if it were measured again; other: the value of a second photo; words: what a
 *   screen reader says
 */
export function distributionPlot(value, reference, { domain, ideal, range, other, words }) {
  const spread = reference.p95 - reference.p5;
  const [low, high] = domain ?? [reference.p5 - 0.3 * spread, reference.p95 + 0.3 * spread];
  const x = (at) => EDGE + Math.min(1, Math.max(0, (at - low) / (high - low))) * (100 - 2 * EDGE);
  const line = (from, to, y1, y2, name) => draw("line", { class: name, x1: `${x(from)}%`, x2: `${x(to)}%`, y1, y2 });
  // Percentages instead of a view box: the plot fills any width and its marks stay round.
  const svg = draw("svg", { class: "plot", role: "img", "aria-label": words });
  const box = { x: `${x(reference.p25)}%`, width: `${x(reference.p75) - x(reference.p25)}%`, y: MIDDLE - 5, height: 10, rx: 3 };
  // A scale with fixed ends shows them; a metric's own range has none.
  if (domain) svg.append(line(low, high, MIDDLE, MIDDLE, "track"));
  svg.append(
    line(reference.p5, reference.p95, MIDDLE, MIDDLE, "whisker"),
    draw("rect", { class: "box", ...box }),
    line(reference.p50, reference.p50, MIDDLE - 5, MIDDLE + 5, "median"),
  );
  if (ideal) svg.append(line(ideal[0], ideal[1], 20, 20, "ideal"));
  if (range) svg.append(line(range.low, range.high, MIDDLE, MIDDLE, "range"));
  if (other !== null && other !== undefined) svg.append(mark(`${x(other)}%`, other < low ? -1 : other > high ? 1 : 0, MIDDLE, "mark other"));
  if (value !== null && value !== undefined) svg.append(mark(`${x(value)}%`, value < low ? -1 : value > high ? 1 : 0));
  return svg;
}

/** The pieces of a plot, for the legend. */
export function legendPiece(piece) {
  const svg = draw("svg", { class: "plot", viewBox: "0 0 34 14", "aria-hidden": "true" });
  const pieces = {
    mark: () => mark(17, 0, 7),
    other: () => mark(17, 0, 7, "mark other"),
    box: () => draw("rect", { class: "box", x: 4, y: 2, width: 26, height: 10, rx: 3 }),
    whisker: () => draw("line", { class: "whisker", x1: 2, x2: 32, y1: 7, y2: 7 }),
    ideal: () => draw("line", { class: "ideal", x1: 2, x2: 32, y1: 7, y2: 7 }),
  };
  svg.append(pieces[piece]());
  return svg;
}

/** A dot, or a wedge that points beyond the plot's end. */
function mark(at, side, y = MIDDLE, name = "mark") {
  if (side === 0) return draw("circle", { class: name, cx: at, cy: y, r: 6 });
  const place = draw("svg", { x: at, y, overflow: "visible" });
  place.append(draw("path", { class: name, d: `M${side * 6} 0l${side * -11} -6v12z` }));
  return place;
}

function draw(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// Draws a score document into the page.

import { emphasise } from "./portrait.js";
import { distributionPlot, legendPiece } from "./plots.js";
import { COMPARED_WITH, GROUP_TITLES, element, formatPoints, formatRange, formatValue, percentileWords } from "./words.js";

const byId = (id) => document.getElementById(id);

/**
 * @param {object} answer the score document
 * @param {object} face the one of its faces that is shown
 * @param {object} reference the document of v1/geometry/reference
 * @param {object|null} other a face of another photo to compare with
 */
export function showResult(answer, face, reference, other = null) {
  showVerdict(face, answer, reference);
  showWarnings(face.quality);
  showMeasurements(face.geometric, reference, other?.geometric ?? null);
  showJson(answer);
}

/** What a screen reader hears when the result is there. */
export function resultWords(answer, face) {
  const { words, score, interval } = leading(face, answer);
  const halves = `Geometry ${formatPoints(face.geometric.score)}, holistic ${formatPoints(face.holistic?.score)}.`;
  if (score === null) return `No score. ${words}`;
  return `Score ${formatPoints(score)} of 100${interval ? `, range ${formatRange(interval)}` : ""}. ${halves}`;
}

/** What stands large: the blend, the geometric half where the other means nothing, or no number at all. */
function leading(face, answer) {
  const { geometric, quality } = face;
  if (quality.level === "poor")
    return { title: "Score", score: null, interval: null, words: "This photo does not support a score; see below why. The numbers below it are unreliable." };
  const reliability = `Reliability of the photo: ${quality.level} (${formatPoints(quality.reliability)} of 100).`;
  if (answer.model.weights === "untrained" && face.score !== null) {
    const small = `Only as a demonstration: blended with the holistic half, whose weights are random, it would be ${formatPoints(face.score)}.`;
    return { title: "Geometric score", score: geometric.score, interval: geometric.interval, words: `${reliability} ${small}` };
  }
  if (face.score === null)
    return { title: "Score", score: null, interval: null, words: "One half is missing, so there is no overall score." };
  const half = face.interval ? "" : ` The geometric half alone ranges from ${formatRange(geometric.interval)}.`;
  return { title: "Score", score: face.score, interval: face.interval, words: reliability + (geometric.interval ? half : "") };
}

function showVerdict(face, answer, reference) {
  const { title, score, interval, words } = leading(face, answer);
  byId("score-title").textContent = title;
  byId("score").textContent = score === null ? "No score" : formatPoints(score);
  byId("of").hidden = score === null;
  byId("score").classList.toggle("none", score === null);
  byId("range").hidden = !interval;
  byId("range").textContent = interval ? `${formatRange(interval)} if the same photo is turned, resized or saved again` : "";
  document.querySelector(".verdict").classList.toggle("unsupported", score === null);
  byId("score-words").textContent = words;
  const { geometric, holistic, blend } = face;
  const scores = reference.scores[geometric.sex];
  const share = (part) => `${Math.round(part * 100)} % of the score`;
  const geometricHalf = half(
    "Geometry",
    geometric.score,
    distributionPlot(geometric.score, scores, {
      domain: [0, 100],
      range: geometric.interval,
      words: `Geometry ${formatPoints(geometric.score)}${geometric.interval ? `, range ${formatRange(geometric.interval)}` : ""}; half of the reference faces lie between ${formatPoints(scores.p25)} and ${formatPoints(scores.p75)}`,
    }),
    `${share(blend.geometric)}. Compared with ${reference.faces[geometric.sex].toLocaleString("en")} ${COMPARED_WITH[geometric.sex]}.`,
  );
  const even = { p5: 5, p25: 25, p50: 50, p75: 75, p95: 95 };
  const holisticScore = holistic?.score ?? null;
  const meaningless = answer.model.weights === "untrained" ? " The weights are random: it means nothing." : "";
  const holisticHalf = half(
    "Holistic",
    holisticScore,
    distributionPlot(holisticScore, even, {
      domain: [0, 100],
      range: holistic?.interval,
      words: `Holistic ${formatPoints(holisticScore)}, a percentile of its reference portraits`,
    }),
    `${share(blend.holistic)}. Share of the reference portraits below.${meaningless}`,
  );
  byId("halves").replaceChildren(geometricHalf, holisticHalf);
}

function half(title, score, plot, note) {
  const row = element("div", "half");
  const drawn = element("dd", "drawn");
  drawn.append(plot);
  row.append(element("dt", "", title), element("dd", "", formatPoints(score)), drawn, element("dd", "note", note));
  return row;
}

function showWarnings(quality) {
  byId("warnings").hidden = quality.warnings.length === 0;
  byId("warning-list").replaceChildren(...quality.warnings.map((text) => element("li", "", text)));
}

function showMeasurements(geometric, reference, other) {
  const pieces = [
    ["mark", "this face"],
    ...(other ? [["other", "the other photo"]] : []),
    ["box", "middle half of the faces"],
    ["whisker", "90 % of them"],
    ["ideal", "scores 50 or more"],
  ];
  byId("legend").replaceChildren(
    ...pieces.map(([piece, text]) => {
      const entry = element("span");
      entry.append(legendPiece(piece), text);
      return entry;
    }),
  );
  const known = Object.fromEntries(reference.metrics.map((metric) => [metric.name, metric]));
  byId("groups").classList.toggle("comparing", Boolean(other));
  byId("groups").replaceChildren(
    ...reference.groups.map((name, index) => {
      const metrics = geometric.metrics.filter((metric) => metric.group === name);
      return group(name, geometric, metrics, known, reference.group_scores, index === 0 || Boolean(other), other);
    }),
  );
}

function group(name, geometric, metrics, known, groupScores, open, other) {
  const title = GROUP_TITLES[name] ?? name;
  const score = geometric.groups[name];
  const details = element("details", "group");
  details.open = open;
  const summary = element("summary");
  const words = `${title}: ${formatPoints(score)} of 100; about half of the reference faces lie between ${formatPoints(groupScores.p25)} and ${formatPoints(groupScores.p75)}`;
  summary.append(
    element("h3", "", title),
    distributionPlot(score, groupScores, { domain: [0, 100], other: other?.groups[name], words }),
    element("span", "points", pair(formatPoints(score), other && formatPoints(other.groups[name]))),
  );
  const list = element("ul", "metrics");
  const others = Object.fromEntries((other?.metrics ?? []).map((metric) => [metric.name, metric]));
  list.append(...metrics.map((metric) => metricRow(metric, known[metric.name], geometric.sex, others[metric.name])));
  const explanation =
    `${formatPoints(score)} is this group's place among the reference faces, where 50 is the middle, and not the mean of the scores below: `
    + "most faces come close to what raters liked in most measurements.";
  details.append(summary, element("p", "explanation", score === null ? "The photo shows too little of it for a score." : explanation), list);
  return details;
}

function metricRow(metric, reference, sex, other) {
  const row = element("li", "metric");
  const name = element("p", "name");
  const button = element("button", "metric-name", reference.title);
  button.type = "button";
  button.title = "Show on the face";
  name.append(button, " ", element("span", "value", pair(formatValue(metric.value, metric.unit), other && formatValue(other.value, other.unit))));
  row.addEventListener("mouseenter", () => emphasise(reference));
  row.addEventListener("mouseleave", () => emphasise(null));
  // A finger has no hover: a touch anywhere on the row shows the measurement.
  row.addEventListener("click", () => emphasise(reference));
  button.addEventListener("focus", () => emphasise(reference));
  button.addEventListener("blur", () => emphasise(null));
  const { centre, half } = reference.curve[sex];
  const low = reference.one_sided ? -Infinity : centre - half;
  const percentiles = reference.percentiles[sex];
  const words = metric.value === null
    ? `${reference.title}: not measured`
    : `${reference.title} ${formatValue(metric.value, metric.unit)}, ${percentileWords(metric.percentile, `the ${COMPARED_WITH[sex]}`)}; `
      + `half of the reference faces lie between ${formatValue(percentiles.p25, metric.unit)} and ${formatValue(percentiles.p75, metric.unit)}`;
  row.append(
    name,
    distributionPlot(metric.value, percentiles, { ideal: [low, centre + half], other: other?.value, words }),
    element("span", "points", pair(formatPoints(metric.score), other && formatPoints(other.score))),
    element("p", "meaning", metric.reason ?? `${reference.meaning}. ${placeWords(metric, sex)}`),
  );
  return row;
}

/** Where the value lies, for people who see: the plot's label says it to the others. */
function placeWords(metric, sex) {
  const words = percentileWords(metric.percentile, `the ${COMPARED_WITH[sex]}`);
  return words ? `${words[0].toUpperCase()}${words.slice(1)}.` : "";
}

/** A text and, when two photos are compared, the other photo's beside it. */
function pair(text, other) {
  return other ? `${text} · ${other}` : text;
}

function showJson(answer) {
  const shorten = (key, value) => {
    if (key === "overlay" && value) return `${value.slice(0, 30)}… ${value.length.toLocaleString("en")} characters`;
    if (key === "landmarks" && value) return `${value.length} points`;
    return value;
  };
  byId("json").textContent = JSON.stringify(answer, shorten, 2);
  const link = byId("download");
  if (link.href) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" }));
  byId("copy").onclick = async () => {
    await navigator.clipboard.writeText(JSON.stringify(answer, null, 2));
    byId("status").textContent = "Copied";
  };
}

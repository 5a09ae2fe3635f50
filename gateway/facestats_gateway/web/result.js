// Draws a score document into the page.

import { emphasise } from "./portrait.js";
import { distributionPlot, legendPiece } from "./plots.js";
import { COMPARED_WITH, GROUP_TITLES, formatPoints, formatValue, percentileWords } from "./words.js";

const byId = (id) => document.getElementById(id);

/**
 * @param {object} answer the score document
 * @param {object} reference the document of v1/geometry/reference
 */
export function showResult(answer, reference) {
  const face = answer.faces[0];
  showVerdict(face, answer, reference);
  showWarnings(face.quality);
  showMeasurements(face.geometric, reference);
  showJson(answer);
}

/** What a screen reader hears when the result is there. */
export function resultWords(answer) {
  const { score, geometric, holistic } = answer.faces[0];
  const halves = `Geometry ${formatPoints(geometric.score)}, holistic ${formatPoints(holistic?.score)}.`;
  return score === null ? `No overall score. ${halves}` : `Score ${formatPoints(score)} of 100. ${halves}`;
}

function showVerdict(face, answer, reference) {
  byId("score").textContent = face.score === null ? "No score" : formatPoints(face.score);
  byId("of").hidden = face.score === null;
  byId("score").classList.toggle("none", face.score === null);
  const supported = face.quality.level !== "poor" && face.score !== null;
  document.querySelector(".verdict").classList.toggle("unsupported", !supported);
  byId("score-words").textContent = verdictWords(face);
  const { geometric, holistic, blend } = face;
  const scores = reference.scores[geometric.sex];
  const share = (part) => `${Math.round(part * 100)} % of the score`;
  const geometricHalf = half(
    "Geometry",
    geometric.score,
    distributionPlot(geometric.score, scores, {
      domain: [0, 100],
      words: `Geometry ${formatPoints(geometric.score)}; half of the reference faces lie between ${formatPoints(scores.p25)} and ${formatPoints(scores.p75)}`,
    }),
    `${share(blend.geometric)}. Compared with ${reference.faces[geometric.sex].toLocaleString("en")} ${COMPARED_WITH[geometric.sex]}.`,
  );
  const even = { p5: 5, p25: 25, p50: 50, p75: 75, p95: 95 };
  const holisticScore = holistic?.score ?? null;
  const meaningless = answer.model.weights === "untrained" ? " The weights are untrained: it means nothing." : "";
  const holisticHalf = half(
    "Holistic",
    holisticScore,
    distributionPlot(holisticScore, even, {
      domain: [0, 100],
      words: `Holistic ${formatPoints(holisticScore)}, a percentile of its reference portraits`,
    }),
    `${share(blend.holistic)}. Share of the reference portraits below.${meaningless}`,
  );
  byId("halves").replaceChildren(geometricHalf, holisticHalf);
}

function verdictWords(face) {
  if (face.quality.level === "poor") return "This photo does not support a score; see below why. Treat the numbers as unreliable.";
  if (face.score === null) return "One half is missing, so there is no overall score.";
  const reliability = `Reliability of the photo: ${face.quality.level} (${formatPoints(face.quality.reliability)} of 100).`;
  return `${reliability} Differences under six points mean nothing.`;
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

function showMeasurements(geometric, reference) {
  const pieces = [
    ["mark", "this face"],
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
  byId("groups").replaceChildren(
    ...reference.groups.map((name, index) => {
      const metrics = geometric.metrics.filter((metric) => metric.group === name);
      return group(name, geometric, metrics, known, reference.group_scores, index === 0);
    }),
  );
}

function group(name, geometric, metrics, known, groupScores, open) {
  const title = GROUP_TITLES[name] ?? name;
  const score = geometric.groups[name];
  const details = element("details", "group");
  details.open = open;
  const summary = element("summary");
  const words = `${title}: ${formatPoints(score)} of 100; about half of the reference faces lie between ${formatPoints(groupScores.p25)} and ${formatPoints(groupScores.p75)}`;
  summary.append(
    element("h3", "", title),
    distributionPlot(score, groupScores, { domain: [0, 100], words }),
    element("span", "points", formatPoints(score)),
  );
  const list = element("ul", "metrics");
  list.append(...metrics.map((metric) => metricRow(metric, known[metric.name], geometric.sex)));
  details.append(summary, list);
  return details;
}

function metricRow(metric, reference, sex) {
  const row = element("li", "metric");
  const name = element("p", "name");
  const button = element("button", "metric-name", reference.title);
  button.type = "button";
  button.title = "Show on the face";
  name.append(button, " ", element("span", "value", formatValue(metric.value, metric.unit)));
  row.addEventListener("mouseenter", () => emphasise(reference));
  row.addEventListener("mouseleave", () => emphasise(null));
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
    distributionPlot(metric.value, percentiles, { ideal: [low, centre + half], words }),
    element("span", "points", formatPoints(metric.score)),
    element("p", "meaning", metric.reason ?? `${reference.meaning}. ${placeWords(metric, sex)}`),
  );
  return row;
}

/** Where the value lies, for people who see: the plot's label says it to the others. */
function placeWords(metric, sex) {
  const words = percentileWords(metric.percentile, `the ${COMPARED_WITH[sex]}`);
  return words ? `${words[0].toUpperCase()}${words.slice(1)}.` : "";
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

function element(name, className = "", text = "") {
  const created = document.createElement(name);
  if (className) created.className = className;
  if (text) created.textContent = text;
  return created;
}

// Problems, units and groups in plain words.

const URN = "urn:facestats:problem:";

const PROBLEMS = {
  "unreachable": ["The service cannot be reached", "Check that it is still running and that you are connected, then try again."],
  "no-face": ["No face in this picture", "Choose a photo with one clearly visible face, looking towards the camera."],
  "no-usable-photo": ["None of these photos supports a score", "Choose sharper photos of one face, taken from the front."],
  "unusable-face": ["This face cannot be measured", "Try a sharper photo, taken from the front."],
  "not-an-image": ["This file is not a picture", "Choose a JPEG, PNG, WebP or HEIC photo."],
  "unsupported-format": ["This kind of picture is not supported", "Choose a JPEG, PNG, WebP or HEIC photo."],
  "truncated-image": ["This picture is damaged", "Part of the file is missing. Try the original."],
  "animated-image": ["This picture moves", "Choose a still photo."],
  "empty-body": ["This file is empty", "Choose another photo."],
  "too-small": ["This picture is too small", "Choose a larger photo of the face."],
  "bad-aspect-ratio": ["This picture is too long and narrow", "Crop it to the face and try again."],
  "too-many-bytes": ["This file is too large", "Choose a smaller photo, or export it with a lower resolution."],
  "too-many-pixels": ["This picture has too many pixels", "Choose a smaller photo, or export it with a lower resolution."],
  "unauthorized": ["This service asks for an API key", "Enter yours; it is kept only until this page is closed."],
  "rate-limited": ["Too many photos at once", "Wait a moment and try again."],
  "overloaded": ["The service is busy", "Wait a moment and try again."],
  "triton-unavailable": ["The scoring model is not running right now", "Your photo is fine; it was not scored. Try again in a minute."],
  "deadline-exceeded": ["That took too long", "The service gave up on this photo. Try again, perhaps with a smaller one."],
  "request-timeout": ["The upload took too long", "The connection is slow. Try a smaller photo."],
  "internal-error": ["The service failed", "This is not your photo's fault. Try again; if it stays so, tell whoever runs the service."],
};

/** Last part of a problem document's type. */
export function problemCode(document) {
  return String(document.type ?? "").replace(URN, "");
}

/** A problem document as a title and an advice. */
export function problemWords(document) {
  const known = PROBLEMS[problemCode(document)];
  if (known) return { title: known[0], advice: known[1] };
  return { title: document.title ?? "Something went wrong", advice: document.detail ?? "Try again." };
}

export const GROUP_TITLES = {
  eyes: "Eyes",
  midface: "Midface",
  lower_third: "Lower third",
  upper_third: "Upper third",
  overall: "Whole face",
};

export const COMPARED_WITH = { pooled: "faces", female: "women", male: "men" };

/** A measured value with its unit. */
export function formatValue(value, unit) {
  if (value === null) return "not measured";
  if (unit === "deg") return `${value.toFixed(1)}°`;
  if (unit === "ratio") return value.toFixed(value < 1 ? 3 : 2);
  if (unit.startsWith("percent")) return `${value.toFixed(value < 10 ? 2 : 1)} %`;
  return `${value.toPrecision(3)} ${unit}`;
}

/** A score as people should read it: without decimals. */
export function formatPoints(score) {
  return score === null || score === undefined ? "–" : String(Math.round(score));
}

/** A range of scores in whole points, such as "57 to 67"; empty when it is not known. */
export function formatRange(interval) {
  return interval ? `${Math.round(interval.low)} to ${Math.round(interval.high)}` : "";
}

/** What a visitor must know of what is served; the operator reads the service's own notices in the JSON. */
export function noticeWords(model, degraded) {
  const said = [];
  if (degraded) said.push("The scoring model is away: only the geometric half is measured just now.");
  if (model.weights === "untrained") said.push("Demonstration: the holistic half runs on random weights and means nothing. Look at the geometric half.");
  if (model.calibration === "none") said.push("The holistic half is on no common scale here, so the halves are not blended.");
  return said;
}

/** A percentile as a sentence's end, such as "larger than in 71 % of the faces". */
export function percentileWords(percentile, faces) {
  if (percentile === null || percentile === undefined) return "";
  const share = Math.round(percentile);
  return share <= 0 ? `smaller than in all of ${faces}` : share >= 100 ? `larger than in all of ${faces}` : `larger than in ${share} % of ${faces}`;
}

/** A new element with a class and a text. */
export function element(name, className = "", text = "") {
  const created = document.createElement(name);
  if (className) created.className = className;
  if (text) created.textContent = text;
  return created;
}

// The face, cut out of the photo, with the measured lines over it.

const SVG = "http://www.w3.org/2000/svg";
const LONGEST_SIDE = 1200;
const MARGIN = 0.42;

const byId = (id) => document.getElementById(id);

/**
 * @param {Blob} photo
 * @param {object} face a face of the score document, with landmarks and overlay
 * @param {object} reference the document of v1/geometry/reference
 */
export async function showPortrait(photo, face, reference) {
  byId("sheet-download").href = face.overlay;
  const picture = await openPicture(photo);
  byId("frame").hidden = !picture;
  byId("lines-toggle").hidden = !picture;
  byId("sheet").hidden = Boolean(picture);
  if (!picture) {
    // The service reads formats (HEIC) that this browser cannot show: its own picture then.
    byId("sheet").src = face.overlay;
    return;
  }
  const crop = around(face.box, picture);
  drawPicture(picture, crop);
  drawLines(face.landmarks, reference.metrics, picture, crop);
  picture.close();
  toggle(true);
  emphasise(null);
}

/**
 * Lets the person pick one of several faces.
 * @param {Blob} photo
 * @param {object} answer the score document
 * @param {number} shown index of the face that is shown
 * @param {(index: number) => void} pick called with another face's index
 */
export async function showFaces(photo, answer, shown, pick) {
  const faces = answer.faces;
  byId("faces").hidden = faces.length < 2;
  if (faces.length < 2) return;
  const more = answer.faces_found > faces.length ? `, of which ${faces.length} are measured` : "";
  byId("faces-words").textContent = `${answer.faces_found} faces were found${more}. This is ${shown === 0 ? "the largest" : `number ${shown + 1} by size`}; show another:`;
  const picture = await openPicture(photo);
  byId("faces-list").replaceChildren(
    ...faces.map((face, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quiet face-choice";
      button.setAttribute("aria-pressed", String(index === shown));
      button.setAttribute("aria-label", `Face ${index + 1}`);
      if (picture) button.append(thumbnail(picture, face.box));
      button.append(String(index + 1));
      button.addEventListener("click", () => pick(index));
      return button;
    }),
  );
  picture?.close();
}

function thumbnail(picture, box) {
  const crop = around(box, picture);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 72;
  const side = Math.min(crop.width, crop.height);
  canvas.getContext("2d").drawImage(picture, crop.x, crop.y + (crop.height - side) / 2, crop.width, side, 0, 0, 72, 72);
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** Brings one metric's lines forward; none when null. */
export function emphasise(metric) {
  const all = byId("lines").firstElementChild;
  if (!all) return;
  const lines = metric ? all.querySelector(`[data-metric="${metric.name}"]`) : null;
  all.querySelector(".shown")?.classList.remove("shown");
  lines?.classList.add("shown");
  all.classList.toggle("emphasising", Boolean(lines));
  byId("photo-words").textContent = metric ? `${metric.title}: ${metric.meaning}` : "Point at or touch a measurement to see it on the face.";
}

async function openPicture(photo) {
  try {
    return await createImageBitmap(photo, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
}

/** The part of the picture around the face, in pixels: four to five, as far as the picture reaches. */
function around([left, top, right, bottom], { width, height }) {
  const across = (right - left) * width;
  const down = (bottom - top) * height;
  let high = Math.min(Math.max(down * (1 + 2 * MARGIN), across * (1 + 2 * MARGIN) * 1.25), height);
  const wide = Math.min(high * 0.8, width);
  high = Math.min(high, wide * 1.4);
  const within = (start, size, end) => Math.min(Math.max(start, 0), end - size);
  return {
    x: within(((left + right) / 2) * width - wide / 2, wide, width),
    // A little more room above: the box ends at the forehead, the hair does not.
    y: within(((top + bottom) / 2) * height - high * 0.54, high, height),
    width: wide,
    height: high,
  };
}

function drawPicture(picture, crop) {
  const canvas = byId("face");
  const scale = Math.min(1, LONGEST_SIDE / crop.height);
  canvas.width = Math.round(crop.width * scale);
  canvas.height = Math.round(crop.height * scale);
  byId("frame").style.setProperty("--aspect", canvas.width / canvas.height);
  canvas.getContext("2d").drawImage(picture, crop.x, crop.y, crop.width, crop.height, 0, 0, canvas.width, canvas.height);
}

function drawLines(landmarks, metrics, picture, crop) {
  const middle = (points) => {
    const sum = points.reduce(([x, y], point) => [x + landmarks[point][0], y + landmarks[point][1]], [0, 0]);
    return [(sum[0] / points.length) * picture.width, (sum[1] / points.length) * picture.height];
  };
  const all = document.createElementNS(SVG, "g");
  for (const metric of metrics) {
    const group = document.createElementNS(SVG, "g");
    group.dataset.metric = metric.name;
    for (const line of metric.lines) {
      const ends = [...middle(line.start), ...middle(line.end)];
      group.append(drawLine(ends, "under"), drawLine(ends, ""));
    }
    all.append(group);
  }
  byId("lines").setAttribute("viewBox", `${crop.x} ${crop.y} ${crop.width} ${crop.height}`);
  byId("lines").replaceChildren(all);
}

function drawLine([x1, y1, x2, y2], className) {
  const line = document.createElementNS(SVG, "line");
  for (const [name, value] of Object.entries({ x1, y1, x2, y2, class: className })) line.setAttribute(name, value);
  return line;
}

function toggle(lines) {
  byId("lines-toggle").setAttribute("aria-pressed", String(lines));
  byId("frame").classList.toggle("plain", !lines);
}

byId("lines-toggle").addEventListener("click", (event) =>
  toggle(event.currentTarget.getAttribute("aria-pressed") !== "true"),
);

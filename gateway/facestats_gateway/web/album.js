// Several photos of one person: what they say together, and which of them is shown or compared.

import { element, formatPoints, formatRange } from "./words.js";

const byId = (id) => document.getElementById(id);

/**
 * @param {object} person the answer of v1/score/person
 * @param {string[]} pictures addresses of the photos' pictures
 * @param {{show: (index: number) => void, compare: (index: number) => void}} actions what the buttons do
 */
export function showAlbum(person, pictures, actions) {
  const used = person.photos.filter((photo) => photo.used).length;
  const demonstration = person.model.weights === "untrained";
  const blended = !demonstration && person.score !== null;
  const { score, interval } = blended ? person : person.geometric;
  byId("album-title").textContent = `${blended ? "Score" : "Geometric score"} of ${used} photos together`;
  const number = element("p", "together-score");
  number.append(element("strong", "", formatPoints(score)), element("span", "of", "of 100"));
  const words = [];
  if (interval) words.push(`Range ${formatRange(interval)}.`);
  if (demonstration && person.score !== null) words.push(`Only as a demonstration, blended with random weights: ${formatPoints(person.score)}.`);
  byId("together").replaceChildren(number, element("p", "together-words", words.join(" ")));
  byId("album-photos").replaceChildren(...person.photos.map((photo) => entry(photo, pictures[photo.index], blended, actions)));
}

/** Marks the photo that is shown and the one it is compared with (null: none). */
export function markAlbum(shown, compared) {
  [...byId("album-photos").children].forEach((item, index) => {
    item.querySelector(".show").setAttribute("aria-pressed", String(index === shown));
    const button = item.querySelector(".compare-with");
    if (!button) return;
    button.setAttribute("aria-pressed", String(index === compared));
    button.hidden = index === shown;
  });
}

function entry(photo, picture, blended, { show, compare }) {
  const item = element("li", photo.used ? "" : "left-out");
  const name = `Photo ${photo.index + 1}`;
  const button = element("button", "show");
  button.type = "button";
  const image = Object.assign(element("img"), { src: picture, alt: "" });
  // A format that the browser cannot show.
  image.addEventListener("error", () => (image.hidden = true));
  const score = blended ? photo.score : photo.geometric;
  button.append(image, element("span", "", photo.used ? `${name}: ${formatPoints(score)}` : `${name}: left out`));
  button.addEventListener("click", () => show(photo.index));
  item.append(button);
  if (photo.reason) item.append(element("p", "reason", photo.reason));
  // Without a face there is nothing to show or to compare.
  button.disabled = photo.geometric === null && photo.reliability === null;
  if (!button.disabled) {
    const other = element("button", "quiet compare-with", "Compare");
    other.type = "button";
    other.setAttribute("aria-label", `Compare with photo ${photo.index + 1}`);
    other.addEventListener("click", () => compare(photo.index));
    item.append(other);
  }
  return item;
}

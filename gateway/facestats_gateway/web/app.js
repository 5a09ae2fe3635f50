// Photos taken in, sent, shown: one with all that is behind its score, several of one person together.

import { ProblemError, fetchDocument, score, scorePerson } from "./api.js";
import { markAlbum, showAlbum } from "./album.js";
import { listenForPhotos } from "./intake.js";
import { showFaces, showPortrait } from "./portrait.js";
import { resultWords, showResult } from "./result.js";
import { noticeWords, problemCode, problemWords } from "./words.js";

const MOST_PHOTOS = 12;
const LOOK_AGAIN_MS = 10_000;

const byId = (id) => document.getElementById(id);
/** `photos`: blob, picture address, and the answer once it was asked for; forgotten with the page. */
const page = { photos: [], person: null, shown: 0, face: 0, compared: null, key: "", running: null, reference: null };

function show(state) {
  document.body.dataset.state = state;
  for (const id of ["working", "problem", "result"]) byId(id).hidden = id !== state;
  byId("album").hidden = state !== "result" || !page.person;
}

function say(text) {
  byId("status").textContent = text;
}

async function take(blobs) {
  for (const photo of page.photos) URL.revokeObjectURL(photo.picture);
  page.photos = blobs.slice(0, MOST_PHOTOS).map((blob) => ({ blob, picture: URL.createObjectURL(blob), answer: null }));
  await sendAll();
}

async function sendAll() {
  for (const photo of page.photos) photo.answer = null;
  Object.assign(page, { person: null, shown: 0, face: 0, compared: null });
  await work(async (options) => {
    if (page.photos.length > 1) {
      page.person = await scorePerson(page.photos.map((photo) => photo.blob), options);
      page.shown = page.person.photos.reduce((best, photo) => (photo.weight > best.weight ? photo : best)).index;
      showAlbum(page.person, page.photos.map((photo) => photo.picture), { show: showPhoto, compare: compareWith });
    }
    await ensureAnswer(page.shown, options);
  });
}

/** Shows another photo of the album. */
async function showPhoto(index) {
  if (index === page.compared) page.compared = null;
  Object.assign(page, { shown: index, face: 0 });
  await work((options) => ensureAnswer(index, options));
}

/** Compares the shown photo with another, or stops comparing when it is the one already. */
async function compareWith(index) {
  page.compared = page.compared === index ? null : index;
  await work((options) => (page.compared === null ? null : ensureAnswer(page.compared, options)));
}

async function ensureAnswer(index, options) {
  page.photos[index].answer ??= await score(page.photos[index].blob, options);
}

/** Runs what asks the service, with progress, and then shows what there is. */
async function work(task) {
  page.running?.abort();
  const running = (page.running = new AbortController());
  const asked = page.photos[page.shown];
  for (const id of ["preview", "problem-photo"]) {
    byId(id).hidden = false;
    byId(id).src = asked.picture;
  }
  // What is known already is shown at once; only a new question takes the result away.
  if (!asked.answer) show("working");
  uploading(0);
  say(page.photos.length > 1 && !page.person ? "Uploading the photos" : "Uploading the photo");
  try {
    const sex = document.querySelector("input[name=sex]:checked").value;
    page.reference ??= await fetchDocument("v1/geometry/reference", page.key);
    await task({ sex, key: page.key, signal: running.signal, onUpload: uploading });
    if (!running.signal.aborted) await present();
  } catch (error) {
    if (!running.signal.aborted) showProblem(error);
  }
}

async function present() {
  const { answer, blob } = page.photos[page.shown];
  const face = answer.faces[page.face];
  const other = page.compared === null ? null : page.photos[page.compared].answer.faces[0];
  showNotices(noticeWords(answer.model, answer.degraded));
  showResult(answer, face, page.reference, other);
  if (page.person) markAlbum(page.shown, page.compared);
  show("result");
  await showPortrait(blob, face, page.reference);
  await showFaces(blob, answer, page.face, (index) => {
    page.face = index;
    present();
  });
  const start = byId(page.person ? "album" : "result");
  byId(page.person ? "album-title" : "score-title").focus({ preventScroll: true });
  // On a phone the intake above fills the screen, and the result would start below it.
  if (start.getBoundingClientRect().top > window.innerHeight * 0.45) start.scrollIntoView({ behavior: "instant" });
  say(resultWords(answer, face));
}

function uploading(share) {
  const bar = byId("progress");
  byId("working-words").textContent = share < 1 ? "Uploading" : "Measuring the face";
  if (share < 1) {
    bar.value = share;
    return;
  }
  bar.removeAttribute("value");
  say("Measuring the face");
}

function showProblem(error) {
  // A failed fetch is a TypeError and carries nothing a person could use.
  const document_ = error instanceof ProblemError ? error.document : { type: "unreachable", title: String(error), status: 0 };
  const { title, advice } = problemWords(document_);
  byId("problem-title").textContent = title;
  byId("problem-advice").textContent = advice;
  byId("problem-document").textContent = JSON.stringify(document_, null, 2);
  byId("key-form").hidden = problemCode(document_) !== "unauthorized";
  // A photo that was refused stays refused; only what passes is worth another try.
  byId("retry").hidden = document_.status >= 400 && document_.status < 500 && ![408, 429].includes(document_.status);
  show("problem");
  say("");
  byId("problem").focus({ preventScroll: true });
}

/** Says before anything is uploaded whether a photo could be scored now, and looks again until it can. */
async function watchReadiness() {
  try {
    const { ready, triton } = await fetchDocument("readyz", page.key, [503]);
    byId("away").hidden = ready;
    if (ready && triton) return;
  } catch {
    // The service itself is away: what is sent then says so in full.
  }
  setTimeout(watchReadiness, LOOK_AGAIN_MS);
}

function showNotices(notices) {
  byId("banner").hidden = notices.length === 0;
  byId("banner").replaceChildren(
    ...notices.map((text) => Object.assign(document.createElement("p"), { textContent: text })),
  );
}

async function describeModel() {
  try {
    const model = await fetchDocument("v1/model", page.key);
    showNotices(noticeWords(model, false));
    // Unknown: Triton has not been reached yet.
    byId("model-words").textContent = model.weights === "unknown"
      ? "The model server has not said what it serves."
      : `Model: ${model.clip}. Weights ${model.weights}, precision ${model.precision}, calibration ${model.calibration}.`
        + (model.training ? ` Regressor ${model.training}.` : "");
  } catch (error) {
    // Whatever is wrong is said in full when a photo is sent; the footer only mentions it.
    byId("model-words").textContent = `The model's description is not available (${error.message}).`;
  }
}

listenForPhotos(take);
describeModel();
watchReadiness();
byId("retry").addEventListener("click", sendAll);
// A format the browser cannot show, or no picture at all: better no frame than a broken one.
for (const id of ["preview", "problem-photo"]) byId(id).addEventListener("error", (event) => (event.target.hidden = true));
byId("cancel").addEventListener("click", () => {
  page.running?.abort();
  show("idle");
  say("Cancelled");
  // The button that was pressed is gone; the keyboard goes on where a photo is chosen.
  byId("choose").focus();
});
byId("open-all").addEventListener("click", (event) => {
  const open = event.currentTarget.getAttribute("aria-pressed") !== "true";
  event.currentTarget.setAttribute("aria-pressed", String(open));
  document.querySelectorAll("details.group").forEach((group) => (group.open = open));
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  page.key = byId("key").value;
  sendAll();
});
document.querySelectorAll("input[name=sex]").forEach((input) =>
  input.addEventListener("change", () => page.photos.length && sendAll()),
);

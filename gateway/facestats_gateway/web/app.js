// One photo at a time: taken in, sent, shown.

import { ProblemError, fetchDocument, score } from "./api.js";
import { listenForPhotos } from "./intake.js";
import { showPortrait } from "./portrait.js";
import { resultWords, showResult } from "./result.js";
import { problemCode, problemWords } from "./words.js";

const byId = (id) => document.getElementById(id);
const page = { photo: null, photoUrl: "", key: "", running: null, reference: null };

function show(state) {
  document.body.dataset.state = state;
  for (const id of ["working", "problem", "result"]) byId(id).hidden = id !== state;
}

function say(text) {
  byId("status").textContent = text;
}

async function take(photo) {
  page.photo = photo;
  URL.revokeObjectURL(page.photoUrl);
  page.photoUrl = URL.createObjectURL(photo);
  for (const id of ["preview", "problem-photo"]) {
    byId(id).hidden = false;
    byId(id).src = page.photoUrl;
  }
  await send();
}

async function send() {
  page.running?.abort();
  const running = (page.running = new AbortController());
  show("working");
  uploading(0);
  say("Uploading the photo");
  try {
    const sex = document.querySelector("input[name=sex]:checked").value;
    page.reference ??= await fetchDocument("v1/geometry/reference", page.key);
    const answer = await score(page.photo, { sex, key: page.key, signal: running.signal, onUpload: uploading });
    if (running.signal.aborted) return;
    showNotices(answer.notices);
    showResult(answer, page.reference);
    await showPortrait(page.photo, answer.faces[0], page.reference);
    show("result");
    byId("score-title").focus({ preventScroll: true });
    say(resultWords(answer));
  } catch (error) {
    if (!running.signal.aborted) showProblem(error);
  }
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

function showNotices(notices) {
  byId("banner").hidden = notices.length === 0;
  byId("banner").replaceChildren(
    ...notices.map((text) => Object.assign(document.createElement("p"), { textContent: text })),
  );
}

async function describeModel() {
  try {
    const model = await fetchDocument("v1/model", page.key);
    showNotices(model.notices);
    // Unknown: Triton has not been reached yet.
    byId("model-words").textContent = model.weights === "unknown"
      ? "The model server has not said what it serves."
      : `Model: ${model.clip}. Weights ${model.weights}, precision ${model.precision}, calibration ${model.calibration}.`;
  } catch (error) {
    // Whatever is wrong is said in full when a photo is sent; the footer only mentions it.
    byId("model-words").textContent = `The model's description is not available (${error.message}).`;
  }
}

listenForPhotos(take);
describeModel();
byId("retry").addEventListener("click", send);
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
  send();
});
document.querySelectorAll("input[name=sex]").forEach((input) =>
  input.addEventListener("change", () => page.photo && send()),
);

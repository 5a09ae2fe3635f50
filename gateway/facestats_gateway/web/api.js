// The calls the page makes. Addresses are relative, so the page also works below a path prefix.

/** Thrown for everything that is not a score; `document` is an RFC 9457 problem document. */
export class ProblemError extends Error {
  constructor(document) {
    super(document.title);
    this.document = document;
  }
}

/** A JSON document of the service; `accepted` are statuses besides 2xx that carry one. */
export async function fetchDocument(path, key, accepted = []) {
  const response = await fetch(path, { headers: authorization(key) });
  if (!response.ok && !accepted.includes(response.status)) throw new ProblemError(await problemOf(response.status, await response.text()));
  return response.json();
}

/**
 * Scores a photo, every face of it.
 * @param {Blob} photo
 * @param {{sex: string, key: string, signal: AbortSignal, onUpload: (share: number) => void}} options
 */
export function score(photo, options) {
  const query = new URLSearchParams({ faces: "all", include: "landmarks,overlay", ...(options.sex && { sex: options.sex }) });
  return send(`v1/score?${query}`, photo, "application/octet-stream", options);
}

/** Scores several photos of one person together; the arguments are those of `score`. */
export function scorePerson(photos, options) {
  const form = new FormData();
  photos.forEach((photo, index) => form.append("images", photo, photo.name || `photo-${index + 1}`));
  const query = new URLSearchParams({ ...(options.sex && { sex: options.sex }) });
  return send(`v1/score/person?${query}`, form, null, options);
}

/** XMLHttpRequest, because fetch cannot say how far an upload is. */
function send(address, body, type, { key, signal, onUpload }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    // A form sets its own, with the boundary.
    if (type) request.setRequestHeader("Content-Type", type);
    for (const [name, value] of Object.entries(authorization(key))) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onUpload(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText));
      else reject(new ProblemError(problemOf(request.status, request.responseText)));
    };
    request.onerror = () => reject(new ProblemError({ type: "unreachable", title: "No connection", status: 0 }));
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(body);
  });
}

function authorization(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** The problem document in a failed answer; a proxy in between may send something else. */
function problemOf(status, text) {
  try {
    return JSON.parse(text);
  } catch {
    return { type: "about:blank", title: `HTTP ${status}`, status, detail: text.slice(0, 300) };
  }
}

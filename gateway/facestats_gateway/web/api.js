// The three calls the page makes. Addresses are relative, so the page also works below a path prefix.

/** Thrown for everything that is not a score; `document` is an RFC 9457 problem document. */
export class ProblemError extends Error {
  constructor(document) {
    super(document.title);
    this.document = document;
  }
}

/** A JSON document of the service. */
export async function fetchDocument(path, key) {
  const response = await fetch(path, { headers: authorization(key) });
  if (!response.ok) throw new ProblemError(await problemOf(response.status, await response.text()));
  return response.json();
}

/**
 * Scores a photo. XMLHttpRequest, because fetch cannot say how far an upload is.
 * @param {Blob} photo
 * @param {{sex: string, key: string, signal: AbortSignal, onUpload: (share: number) => void}} options
 */
export function score(photo, { sex, key, signal, onUpload }) {
  const query = new URLSearchParams({ include: "landmarks,overlay", ...(sex && { sex }) });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `v1/score?${query}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    for (const [name, value] of Object.entries(authorization(key))) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onUpload(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText));
      else reject(new ProblemError(problemOf(request.status, request.responseText)));
    };
    request.onerror = () => reject(new ProblemError({ type: "unreachable", title: "No connection", status: 0 }));
    request.onabort = () => reject(new DOMException("Cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(photo);
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

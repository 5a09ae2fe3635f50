// The four ways photos come in: chosen, dropped, pasted, taken with the camera.

const byId = (id) => document.getElementById(id);

/** Calls `take(blobs)` with the photos the person gives at a time. */
export function listenForPhotos(take) {
  for (const input of [byId("file"), byId("file-camera")]) {
    input.addEventListener("change", () => {
      if (input.files.length) take([...input.files]);
      // The same file chosen again must count as a new choice.
      input.value = "";
    });
  }
  byId("choose").addEventListener("click", () => byId("file").click());
  listenForDrops(take);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((item) => item.type.startsWith("image/"));
    if (files.length) take(files);
  });
  listenForCamera(take);
}

function listenForDrops(take) {
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

function listenForCamera(take) {
  const [dialog, video, shoot, words] = ["camera-dialog", "video", "shoot", "camera-words"].map(byId);
  let stream = null;

  byId("camera").addEventListener("click", async () => {
    // Browsers give pages the camera only over HTTPS or on this very machine; the phone's own camera app always works.
    if (!navigator.mediaDevices) {
      byId("file-camera").click();
      return;
    }
    words.textContent = "Waiting for the camera";
    shoot.disabled = true;
    dialog.showModal();
    try {
      const video_wish = { facingMode: "user", width: { ideal: 1920 }, height: { ideal: 1080 } };
      const opened = await navigator.mediaDevices.getUserMedia({ video: video_wish, audio: false });
      if (!dialog.open) {
        stop(opened);
        return;
      }
      stream = opened;
      video.srcObject = stream;
      await video.play();
      words.textContent = "";
      shoot.disabled = false;
      shoot.focus();
    } catch (error) {
      words.textContent = cameraWords(error);
    }
  });

  shoot.addEventListener("click", () => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((blob) => {
      dialog.close();
      take([blob]);
    }, "image/jpeg", 0.95);
  });
  byId("camera-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    stop(stream);
    stream = null;
    video.srcObject = null;
  });
}

function stop(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}

function cameraWords(error) {
  if (error.name === "NotAllowedError") return "The camera is blocked for this page; allow it in the browser's settings.";
  if (error.name === "NotFoundError") return "No camera was found. Choose a photo instead.";
  if (error.name === "NotReadableError") return "Another program is using the camera.";
  return `The camera cannot be used (${error.name}).`;
}

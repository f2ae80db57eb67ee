// A camera that reads codes: frames go to the worker one at a time, texts come back.

const WANTED = { audio: false, video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } } };

export class Decoder {
  constructor() {
    this.worker = new Worker("/static/js/reader/decoder.js");
    this.waiting = new Map();
    this.count = 0;
    this.worker.onmessage = ({ data }) => {
      const [resolve, reject] = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error) reject(new Error(data.error));
      else resolve(data.text);
    };
    this.worker.onerror = () => {
      this.broken = true;
      for (const [, reject] of this.waiting.values()) reject(new Error("no decoder"));
      this.waiting.clear();
    };
  }

  // The text of the code in a picture, or null. Throws where the reader was not installed.
  async read(source) {
    const bitmap = await createImageBitmap(source);
    if (this.broken) throw new Error("no decoder");
    return new Promise((resolve, reject) => {
      const id = ++this.count;
      this.waiting.set(id, [resolve, reject]);
      this.worker.postMessage({ id, bitmap }, [bitmap]);
    });
  }

  close() {
    this.worker.terminate();
  }
}

// Whether the reader is installed on this server. Why a camera does not open is told when somebody asks for it.
export async function canRead() {
  const found = await fetch("/static/vendor/zxing-reader.js", { method: "HEAD" }).catch(() => fetch("/static/vendor/zxing-reader.js"));
  return found.ok;
}

// What to tell people about a camera that did not open (Media Capture 10.2): which of the page's texts.
export function whyNoCamera(error) {
  if (!navigator.mediaDevices) return "insecure";
  const names = { NotAllowedError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy", AbortError: "busy" };
  return names[error?.name] ?? "other";
}

export class Camera {
  constructor(video, decoder) {
    this.video = video;
    this.decoder = decoder;
    this.running = false;
  }

  // Calls `found(text, takenAt)` for each frame with a code until `stop`. Throws where there is no camera, or no leave.
  async start(found) {
    this.stream = await navigator.mediaDevices.getUserMedia(WANTED);
    this.video.srcObject = this.stream;
    await this.video.play();
    this.running = true;
    this.loop(found);
  }

  async loop(found) {
    while (this.running) {
      await this.frame();
      if (!this.running) return;
      const takenAt = performance.now(), text = await this.decoder.read(this.video).catch(() => null);
      if (text !== null && this.running) await found(text, takenAt);
    }
  }

  frame() {
    return new Promise((resolve) => {
      if (this.video.requestVideoFrameCallback && !document.hidden) this.video.requestVideoFrameCallback(resolve);
      else setTimeout(resolve, 100);
    });
  }

  stop() {
    this.running = false;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.video.srcObject = null;
  }
}

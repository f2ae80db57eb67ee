// The code as a QR on a canvas, level M, whole pixels a module, with the quiet zone of ISO/IEC 18004.

import { encodeQR } from "../../vendor/qr.js";

const QUIET = 4;

export function drawCode(canvas, text) {
  const rows = encodeQR(text, "raw", { ecc: "medium", border: QUIET, encoding: "alphanumeric" });
  const scale = Math.max(2, Math.floor((canvas.clientWidth * (window.devicePixelRatio || 1)) / rows.length));
  canvas.width = canvas.height = rows.length * scale;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#000";
  rows.forEach((row, y) => row.forEach((dark, x) => dark && pen.fillRect(x * scale, y * scale, scale, scale)));
}

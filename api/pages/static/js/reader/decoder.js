// The worker that finds QR codes in pictures. Alone in this file the policy allows WebAssembly.

importScripts("/static/vendor/zxing-reader.js");

const OPTIONS = { formats: ["QRCode"], maxNumberOfSymbols: 1, tryHarder: true, tryInvert: false };
let canvas = new OffscreenCanvas(1, 1);
// Its own file from our own server: without this the library would ask another host.
const ready = ZXingWASM.prepareZXingModule({ overrides: { locateFile: (path) => `/static/vendor/${path}` }, fireImmediately: true });

function pixels(bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(bitmap, 0, 0);
  bitmap.close();
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

self.onmessage = async ({ data: { id, bitmap } }) => {
  try {
    await ready;
    const [found] = await ZXingWASM.readBarcodes(pixels(bitmap), OPTIONS);
    self.postMessage({ id, text: found?.isValid ? found.text : null });
  } catch (error) {
    self.postMessage({ id, error: String(error) });
  }
};

// The page's second thread: pictures in, networks run, pictures out. The page itself never waits.
import { lightness, paint, shownSides, shrink, strips } from "./coloring.js";
import { jpegWithMarks, pngOf } from "./files.js";

const MOST_PIXELS = 120e6;
let site, runtime, provider, options = {};
let picture = null; // { name, height, width, L, shown: {height, width, L} }
let wanted = 0; // the latest order; older ones stop when they see it
const sessions = new Map(), coarse = new Map(); // by model
const say = (kind, facts = {}, transfer = []) => postMessage({ kind, ...facts }, transfer);
const pause = () => new Promise(go => { // lets newer orders in
  const channel = new MessageChannel();
  channel.port1.onmessage = go;
  channel.port2.postMessage(0);
});

class Sentence extends Error {} // meant to be read by the visitor

// ------------------------------------------------------------------ the runtime and the networks

async function start() {
  const forced = options.backend;
  let adapter = null;
  if (forced !== "wasm" && self.navigator.gpu) {
    adapter = await navigator.gpu.requestAdapter().catch(() => null);
    if (adapter?.info?.isFallbackAdapter && forced !== "webgpu") adapter = null;
  }
  provider = adapter ? "webgpu" : "wasm";
  const [module, wasm] = site.runtime[provider];
  runtime = await import(module);
  const cores = options.threads || Math.min(4, navigator.hardwareConcurrency || 1);
  const threads = self.crossOriginIsolated ? cores : 1;
  runtime.env.wasm.numThreads = threads;
  runtime.env.wasm.wasmPaths = { wasm: new URL(wasm, import.meta.url).href };
  runtime.env.logLevel = "error";
  say("runtime", { provider, threads });
}

function session(model) {
  if (!sessions.has(model.name)) {
    const opened = open(model);
    opened.catch(() => sessions.delete(model.name)); // so that one can try again
    sessions.set(model.name, opened);
  }
  return sessions.get(model.name);
}

async function open(model) {
  const bytes = await weights(model);
  say("state", { model: model.name, state: "starting" });
  const quiet = { logSeverityLevel: 3 };
  const make = name => runtime.InferenceSession.create(bytes, { executionProviders: [name], ...quiet });
  if (provider === "wasm") return make("wasm");
  return make("webgpu").catch(() => make("wasm"));
}

async function weights(model) {
  const answer = await fetch(model.file).catch(() => null);
  if (!answer?.ok) {
    throw new Sentence(`The weights of ${model.title} could not be fetched. ` +
      "Connect to the internet once, and try again.");
  }
  const bytes = new Uint8Array(model.bytes), reader = answer.body.getReader();
  let arrived = 0, told = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (arrived + value.length > bytes.length) { arrived = -1; break; }
    bytes.set(value, arrived);
    arrived += value.length;
    if (performance.now() - told > 60) {
      told = performance.now();
      say("state", { model: model.name, state: "arriving", share: arrived / bytes.length });
    }
  }
  if (arrived !== bytes.length) {
    throw new Sentence(`The weights of ${model.title} arrived incomplete. Try again.`);
  }
  return bytes;
}

/** The network's ab, at its own resolution: {data, height, width}. */
async function predict(model, settings) {
  const temperature = model.facts.temperature ? settings.temperature || model.facts.temperature : 0;
  const key = `${picture.number} ${temperature}`, kept = coarse.get(model.name);
  if (kept?.key === key) return kept.ab;
  const net = await session(model), { height, width, L } = picture;
  const { size, cell, whole, rebalancing } = model.facts;
  const scalar = value => new runtime.Tensor("float32", [value], []);
  const tensor = (h, w) => new runtime.Tensor("float32", shrunk(h, w), [1, 1, h, w]);
  const feeds = { L: tensor(...shownSides(height, width, size, cell)) };
  if (whole) feeds.whole = tensor(whole, whole);
  if (temperature) feeds.temperature = scalar(temperature);
  if (rebalancing !== null) feeds.rebalancing = scalar(rebalancing);
  const { ab } = await net.run(feeds, ["ab"]);
  const made = { data: await ab.getData(), height: ab.dims[2], width: ab.dims[3] };
  coarse.set(model.name, { key, ab: made });
  return made;

  function shrunk(h, w) { // several networks are shown the same
    const name = `${h} ${w}`;
    if (!picture.shrunk.has(name)) picture.shrunk.set(name, shrink(L, height, width, h, w));
    return picture.shrunk.get(name).slice();
  }
}

// ------------------------------------------------------------------------------------- pictures

async function read(blob, name) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
  } catch {
    throw new Sentence(await complaint(blob, name));
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    bitmap.close();
    throw new Sentence(`${name} is too large: ${Math.round(width * height / 1e6)} million pixels, ` +
      `and the limit is ${MOST_PIXELS / 1e6} million. Make it smaller first.`);
  }
  const L = new Float32Array(width * height);
  let colored = false;
  for (const [top, end] of strips(height, width)) {
    const canvas = new OffscreenCanvas(width, end - top);
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    brush.fillStyle = "#fff"; // transparent parts are shown on white
    brush.fillRect(0, 0, width, end - top);
    brush.drawImage(bitmap, 0, top, width, end - top, 0, 0, width, end - top);
    const pixels = brush.getImageData(0, 0, width, end - top).data;
    colored = lightness(pixels, L, top * width) || colored;
    await pause();
  }
  bitmap.close();
  return { name, height, width, L, colored, shrunk: new Map() };
}

async function complaint(blob, name) {
  if (!blob.size) return `${name} is empty (0 bytes). Save or download it again.`;
  const head = new Uint8Array(await blob.slice(0, 16).arrayBuffer());
  const text = String.fromCharCode(...head);
  if (text.slice(4, 8) === "ftyp" && /hei[cfxms]|hev[cx]|mif1|msf1/.test(text.slice(8, 12))) {
    return `${name} is a HEIC photograph, which this browser cannot read. Open this page in Safari, ` +
      "or save the photograph as JPEG (iPhone: Settings, Camera, Formats, Most Compatible).";
  }
  const known = /^(\x89PNG|\xff\xd8|GIF8|RIFF|BM)/.test(text);
  return `${name} is ${known ? "damaged" : "not a picture that this browser can read"}. ` +
    "PNG, JPEG, WebP, AVIF, GIF and BMP can be read.";
}

/** The picture as it is shown: at most `side` pixels long. */
function forScreen({ height, width, L }, side) {
  const scale = Math.min(1, side / Math.max(height, width));
  const h = Math.max(1, Math.round(height * scale)), w = Math.max(1, Math.round(width * scale));
  return { height: h, width: w, L: scale === 1 ? L : shrink(L, height, width, h, w) };
}

const NO_COLOR = { data: new Float32Array(2), height: 1, width: 1 };

function picturesOf(shown, ab, chroma) {
  return paint(shown.L, shown.height, shown.width, ab, chroma, 0, shown.height);
}

/** Colour the shown picture by each of these models, the quickest first. */
async function colorize({ models, settings }) {
  const order = ++wanted, stale = () => order !== wanted;
  for (const model of site.models.filter(m => models.includes(m.name))) {
    if (stale() || !picture) return;
    const { number } = picture, begun = performance.now();
    try {
      const ab = await predict(model, settings);
      if (stale() || picture?.number !== number) return;
      const { shown } = picture, rgba = picturesOf(shown, ab, settings.chroma);
      say("painted", { model: model.name, number, rgba, height: shown.height, width: shown.width,
        milliseconds: performance.now() - begun }, [rgba.buffer]);
    } catch (error) {
      complain(error, model.name);
    }
    await pause();
  }
  if (!stale()) say("done", { number: picture?.number, settings });
}

/** A file of the whole picture, at full resolution. */
async function download({ model: name, settings, form, ask }) {
  const model = site.models.find(m => m.name === name), { height, width, L } = picture;
  const ab = await predict(model, settings);
  const said = [];
  const own = model.facts.temperature;
  if (own && settings.temperature && settings.temperature !== own) {
    said.push(`temperature=${settings.temperature}`);
  }
  if (settings.chroma !== 1) said.push(`chroma=${settings.chroma}`);
  const marks = { ...model.marks, Settings: said.join(", ") || "the model's own" };
  const rows = async function* () {
    for (const [top, end] of strips(height, width)) {
      yield { top, rgba: paint(L, height, width, ab, settings.chroma, top, end), rows: end - top };
      say("state", { model: name, state: "saving", share: end / height });
      await pause();
    }
  };
  const write = form === "jpeg" ? jpegWithMarks : pngOf;
  const blob = await write(rows(), height, width, marks, site.xmp);
  const stem = picture.name.replace(/\.[^.]*$/, "") || "picture";
  say("file", { ask, model: name, blob, name: `${stem}-${name}.${form === "jpeg" ? "jpg" : "png"}` });
}

let pictures = 0;
async function take({ blob, name, side, models, settings }) {
  wanted++;
  say("reading", { name });
  const opened = await read(blob, name);
  coarse.clear();
  picture = { ...opened, number: ++pictures, shown: forScreen(opened, side) };
  const { shown, number, height, width, colored } = picture;
  const rgba = picturesOf(shown, NO_COLOR, 0);
  say("picture", { number, name, height, width, colored, rgba, shown: [shown.height, shown.width] },
    [rgba.buffer]);
  await colorize({ models, settings });
}

function complain(error, model) {
  const known = error instanceof Sentence || error instanceof RangeError;
  if (!known) console.warn(error);
  const text = error instanceof Sentence ? error.message
    : error instanceof RangeError ? "This picture is too large for this browser's memory."
    : "This did not work in this browser. Reload the page, or try a smaller picture.";
  say("problem", { text, model });
}

// A picture and its colours come one after the other; a newer order makes an older one stop early.
let queue = null;
onmessage = ({ data }) => {
  if (data.kind === "start") {
    ({ site, options } = data);
    queue = start();
    queue.catch(complain);
    return;
  }
  if (data.kind !== "download") wanted++;
  const work = { take, colorize, download }[data.kind];
  queue = queue.then(() => work(data)).catch(error => complain(error, data.model));
};

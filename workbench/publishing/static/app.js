// The page: what is shown and what is pressed. The work is done in worker.js.

const $ = id => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const LONGEST_SHOWN = 1440; // pixels of a picture on the page; downloads have all of them
const site = await (await fetch("site.json")).json();
const figures = new Map(); // by model
let worker, picture = null, shownModels = [], asks = 0, late = 0, temperatureMoved = false;
const files = new Map(); // downloads under way

// -------------------------------------------------------------------------- figures

function figure(model) {
  const made = document.createElement("figure");
  made.dataset.model = model.name;
  made.style.setProperty("--dot", model.color);
  made.innerHTML = `
    <div class="stack waiting">
      <canvas class="after" role="img"></canvas><canvas class="before" aria-hidden="true"></canvas>
      <div class="line"></div><progress class="bar" max="1" hidden></progress>
    </div>
    <figcaption><b></b><span></span>
      <button type="button" class="enlarge" aria-pressed="false" title="Large">⤢</button>
      <button type="button" class="save" disabled>Download</button></figcaption>`;
  const part = name => made.querySelector(name);
  part("b").textContent = model.title;
  part(".bar").setAttribute("aria-label", `${model.title}: progress`);
  part(".enlarge").setAttribute("aria-label", `Large: ${model.title}`);
  part(".save").setAttribute("aria-label", `Download: ${model.title}`);
  part(".enlarge").onclick = () => {
    const large = made.classList.toggle("large");
    for (const other of figures.values()) {
      if (other.root !== made) other.root.classList.remove("large");
      other.part(".enlarge").setAttribute("aria-pressed", String(other.root.classList.contains("large")));
    }
    if (large) made.scrollIntoView({ block: "nearest" });
  };
  part(".save").onclick = () => download(model);
  const stack = part(".stack");
  stack.onpointerdown = event => { stack.setPointerCapture(event.pointerId); follow(event); };
  stack.onpointermove = event => { if (stack.hasPointerCapture(event.pointerId)) follow(event); };
  const follow = event => {
    const box = stack.getBoundingClientRect();
    $("split").value = Math.round(100 * (event.clientX - box.left) / box.width);
    showSettings();
  };
  return { root: made, part, model };
}

function show(models) {
  shownModels = models;
  const wanted = site.models.filter(model => models.includes(model.name));
  for (const model of wanted) if (!figures.has(model.name)) figures.set(model.name, figure(model));
  $("pictures").replaceChildren(...wanted.map(model => figures.get(model.name).root));
  $("pictures").classList.toggle("single", wanted.length === 1);
  arrange();
  const rest = site.models.filter(model => !models.includes(model.name));
  $("more").hidden = !rest.length;
  if (rest.length) {
    $("more").textContent = `All ${site.models.length} networks (${megabytes(rest)}, once)`;
  }
  $("temperature-setting").hidden = !wanted.some(model => model.facts.temperature);
}

/** As many columns as make the pictures largest while all of them fit the window. */
function arrange() {
  const room = $("pictures").clientWidth, ratio = picture ? picture.width / picture.height : 1.5;
  const count = shownModels.length, tall = Math.max(300, innerHeight - 110);
  let best = [0, 1];
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const width = (room - 16 * (columns - 1)) / columns;
    const size = Math.min(width, (tall / rows - 60) * ratio);
    if (size >= best[0] - 1) best = [size, columns]; // of equals, the one with fewer rows
  }
  $("pictures").style.setProperty("--columns", best[1]);
}
addEventListener("resize", arrange);

const megabytes = models => `${Math.max(1, Math.round(models.reduce((sum, m) => sum + m.bytes, 0) / 1e6))} MB`;

function put(canvas, rgba, height, width) {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(new ImageData(rgba, width), 0, 0);
}

function state(name, text, share) {
  const found = figures.get(name);
  if (!found) return;
  found.part("span").textContent = text;
  const bar = found.part(".bar");
  bar.hidden = share === undefined;
  if (share === null) bar.removeAttribute("value"); else if (share !== undefined) bar.value = share;
}

// --------------------------------------------------------------------------- asking and hearing

/** temperature 0: each network's own, until the slider is moved. */
const settings = () => ({
  chroma: Number($("chroma").value),
  temperature: temperatureMoved ? Number($("temperature").value) : 0,
});

function take(blob, name, models = site.models.map(model => model.name)) {
  performance.mark("asked");
  problem("");
  show(models);
  worker.postMessage({ kind: "take", blob, name, models, settings: settings(), side: LONGEST_SHOWN });
}

function again() {
  if (picture) worker.postMessage({ kind: "colorize", models: shownModels, settings: settings() });
}

function download(model) {
  figures.get(model.name).part(".save").disabled = true;
  const ask = ++asks;
  files.set(ask, model.name);
  worker.postMessage({ kind: "download", ask, model: model.name, form: $("form").value, settings: settings() });
}

function problem(text) {
  $("problem").hidden = !text;
  $("problem").textContent = text;
}

const heard = {
  runtime({ provider, threads }) {
    const on = provider === "webgpu" ? "the graphics processor" : threads > 1 ? `${threads} threads` : "one thread";
    document.body.dataset.runsOn = `${provider} ${threads}`;
    $("about").textContent = `Runs on ${on} of this device. ${site.terms}`;
  },
  reading({ name }) {
    $("status").textContent = `Reading ${name}`;
  },
  picture(opened) {
    picture = opened;
    document.body.style.setProperty("--ratio", opened.width / opened.height);
    arrange();
    $("before-choice").hidden = !opened.colored;
    if (!opened.colored) $("before").checked = false;
    for (const { part, root } of figures.values()) {
      part(".stack").classList.add("waiting");
      part(".save").disabled = true;
      part(".after").removeAttribute("aria-label");
      if (root.isConnected) put(part(".before"), opened.rgba, ...opened.shown);
      state(root.dataset.model, "", null);
    }
    $("status").textContent = `${opened.name}: ${opened.width} × ${opened.height} pixels`;
    showSettings();
  },
  state({ model, state: what, share }) {
    const { bytes } = site.models.find(found => found.name === model);
    if (what === "arriving") {
      state(model, `arriving: ${(share * bytes / 1e6).toFixed(1)} of ${(bytes / 1e6).toFixed(1)} MB`, share);
    } else if (what === "starting") state(model, "starting", null);
    else state(model, "saving", share);
  },
  painted({ model, number, rgba, height, width, milliseconds }) {
    if (number !== picture?.number) return;
    const { part } = figures.get(model), after = part(".after");
    put(after, rgba, height, width);
    after.setAttribute("aria-label", `${picture.name} with AI-generated colours of ${figures.get(model).model.title}`);
    part(".stack").classList.remove("waiting");
    part(".save").disabled = [...files.values()].includes(model);
    state(model, `AI-generated colours · ${Math.round(milliseconds)} ms`);
    performance.mark(`painted ${model}`);
  },
  done({ number, settings: { chroma, temperature } }) {
    if (number !== picture?.number) return;
    document.body.dataset.done = String(number);
    document.body.dataset.settings = `${chroma} ${temperature}`;
  },
  file({ ask, model, blob, name }) {
    files.delete(ask);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    state(model, `AI-generated colours · saved as ${name}`);
    figures.get(model).part(".save").disabled = false;
  },
  problem({ text, model }) {
    if (model && figures.has(model)) {
      state(model, text);
      for (const [ask, name] of files) if (name === model) files.delete(ask);
      figures.get(model).part(".save").disabled = figures.get(model).part(".stack").classList.contains("waiting");
      return;
    }
    problem(text);
    if (picture) $("status").textContent = `${picture.name}: ${picture.width} × ${picture.height} pixels`;
    else $("status").textContent = "";
    again();
  },
};

// -------------------------------------------------------------------------------------- controls

function showSettings() {
  const split = `${$("split").value} %`;
  document.body.style.setProperty("--split", `${$("split").value}%`);
  $("split-said").textContent = split;
  $("chroma-said").textContent = `${settings().chroma.toFixed(2)} ×`;
  const { temperature } = settings();
  $("temperature-said").textContent = temperature ? temperature.toFixed(2) : "each network's own";
}

function showAndAsk() {
  showSettings();
  clearTimeout(late);
  late = setTimeout(again, 60);
}

$("split").oninput = showSettings;
$("chroma").oninput = showAndAsk;
$("temperature").oninput = () => { temperatureMoved = true; showAndAsk(); };
$("file").onchange = () => {
  const [file] = $("file").files;
  if (file) open(file);
  $("file").value = "";
};
$("more").onclick = () => { show(site.models.map(model => model.name)); fill(); again(); };
$("before").onchange = fill;

/** The left side of every picture: grey, or as the photograph was. */
async function fill() {
  if (!picture) return;
  const [height, width] = picture.shown;
  let drawn = null;
  if ($("before").checked) {
    drawn = await createImageBitmap(picture.blob, { imageOrientation: "from-image" });
  }
  for (const { part, root } of figures.values()) {
    if (!root.isConnected) continue;
    const canvas = part(".before");
    put(canvas, picture.rgba, height, width);
    if (drawn) canvas.getContext("2d").drawImage(drawn, 0, 0, width, height);
  }
  drawn?.close();
}

let opened = null; // the blob that was sent last
function open(file) {
  opened = file;
  take(file, file.name || "The picture");
}
addEventListener("paste", event => {
  const file = [...event.clipboardData.files][0];
  if (file) { event.preventDefault(); open(file); }
});
addEventListener("dragover", event => {
  if ([...event.dataTransfer.types].includes("Files")) {
    event.preventDefault();
    document.body.classList.add("dropping");
  }
});
for (const name of ["dragleave", "drop"]) {
  addEventListener(name, event => {
    if (name === "drop" || !event.relatedTarget) document.body.classList.remove("dropping");
  });
}
addEventListener("drop", event => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) open(file);
});

for (const sample of site.samples) {
  const button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  button.title = `${sample.title} (${sample.author}, ${sample.licence})`;
  Object.assign(image, { src: sample.file, alt: sample.title, width: 64, height: 64 });
  button.append(image);
  button.onclick = async () => {
    opened = await (await fetch(sample.file)).blob();
    take(opened, sample.file.replace(/.*\//, ""), shownModels);
  };
  $("samples").append(button);
}

const tempered = site.models.filter(model => model.facts.temperature);
if (tempered.length) {
  $("temperature").value = tempered[0].facts.temperature;
  $("temperature-note").textContent = `Of ${tempered.map(model => model.title).join(", ")}: low is bold, high is careful.`;
}
showSettings();

// ---------------------------------------------------------------------------------------- start

/** The service worker keeps page and weights; wait for it a moment, so that it sees all of them. */
async function keeper() {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register("service-worker.js");
    const ready = new Promise(go => {
      if (navigator.serviceWorker.controller) go();
      navigator.serviceWorker.addEventListener("controllerchange", go, { once: true });
    });
    await Promise.race([ready, new Promise(go => setTimeout(go, 10_000))]);
  } catch (error) {
    console.warn("This page will not work offline:", error); // private windows refuse it
  }
}

async function kept(model) {
  return Boolean(await self.caches?.match(new URL(model.file, location.href)).catch(() => null));
}

await keeper();
worker = new Worker("worker.js", { type: "module" });
worker.onmessage = ({ data }) => {
  if (data.kind === "picture") data.blob = opened;
  heard[data.kind](data);
};
worker.onerror = () => problem("This browser cannot run the networks. A current Firefox, Chrome, Edge or Safari can.");
worker.postMessage({
  kind: "start", site,
  options: { backend: asked.get("backend"), threads: Number(asked.get("threads")) || 0 },
});
const here = [];
for (const [index, model] of site.models.entries()) {
  if (index === 0 || await kept(model)) here.push(model.name);
}
opened = await (await fetch(site.samples[0].file)).blob();
take(opened, site.samples[0].file.replace(/.*\//, ""), here);

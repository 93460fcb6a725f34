// A labelled grid of pictures of one size that zoom and move together.
// data: {cells: [{title, note, src}], width, height, cell, pick, marks: [{x, y, color}]}
// Sends the trigger `picked` = {x, y, cell} (pixels of the picture) when `pick` is on.
const rooms = new WeakMap(); // what must outlive a new render: the view {scale, x, y}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  const room = rooms.get(parentElement) ?? { view: { scale: 1, x: 0, y: 0 } };
  rooms.set(parentElement, room);
  Object.assign(room, { data, setTriggerValue });
  if (!root.firstChild) build(root, room);
  fill(root, room);
  show(root, room);
}

function build(root, room) {
  root.innerHTML = `<div class="tools" role="toolbar" aria-label="Zoom all pictures">
      <span class="hint"></span><button data-by="0.667" aria-label="Zoom out">−</button>
      <output></output><button data-by="1.5" aria-label="Zoom in">+</button>
      <button data-by="0">Fit</button></div><div class="cells"></div>`;
  for (const button of root.querySelectorAll("button"))
    button.onclick = () => zoom(root, room, Number(button.dataset.by), 0.5, 0.5);
}

function fill(root, room) {
  const { cells, width, height, cell, pick, marks } = room.data;
  const grid = root.querySelector(".cells");
  grid.style.setProperty("--cell", `${cell ?? 300}px`);
  root.querySelector(".hint").textContent = pick
    ? "Click a point in any picture"
    : "Double-click, pinch or + to zoom all; drag to move";
  while (grid.children.length > cells.length) grid.lastChild.remove();
  while (grid.children.length < cells.length) grid.append(figure(root, room, grid.children.length));
  cells.forEach((content, index) => {
    const [frame, caption] = grid.children[index].children;
    const image = frame.querySelector("img");
    if (image.getAttribute("src") !== content.src) image.src = content.src;
    image.alt = `${content.title}. ${content.note ?? ""}`;
    frame.style.aspectRatio = `${content.width ?? width} / ${content.height ?? height}`;
    frame.classList.toggle("pick", Boolean(pick));
    caption.firstChild.textContent = content.title;
    caption.lastChild.textContent = content.note ?? "";
    frame.querySelectorAll(".mark").forEach((mark) => mark.remove());
    for (const { x, y, color } of marks ?? []) {
      const mark = document.createElement("i");
      mark.className = "mark";
      mark.style.background = color;
      mark.dataset.x = x / width;
      mark.dataset.y = y / height;
      frame.append(mark);
    }
  });
}

function figure(root, room, index) {
  const element = document.createElement("figure");
  element.innerHTML = `<div class="frame" tabindex="0"><img decoding="async"></div>
    <figcaption><b></b><span></span></figcaption>`.replace(/>\s+</g, "><");
  const frame = element.firstChild;
  const pointers = new Map();
  let moved = false;
  const place = (event) => {
    const box = frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  frame.ondblclick = (event) => {
    if (!room.data.pick) zoom(root, room, event.shiftKey ? 0.5 : 2, ...place(event));
  };
  frame.onpointerdown = (event) => {
    pointers.set(event.pointerId, place(event));
    moved = false;
    if (room.view.scale > 1 || pointers.size > 1) frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    if (Math.hypot(now[0] - before[0], now[1] - before[1]) > 0.004) moved = true;
    if (pointers.size === 2) {
      const [, other] = [...pointers].find(([id]) => id !== event.pointerId);
      const distance = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
      zoom(root, room, distance(now) / Math.max(distance(before), 0.01), ...other);
    } else if (room.view.scale > 1) {
      room.view.x += now[0] - before[0];
      room.view.y += now[1] - before[1];
      show(root, room);
    }
    pointers.set(event.pointerId, now);
  };
  frame.onpointerup = frame.onpointercancel = (event) => pointers.delete(event.pointerId);
  frame.onclick = (event) => {
    if (!room.data.pick || moved) return;
    const [u, v] = place(event);
    const { scale, x, y } = room.view;
    const at = (fraction, size) => Math.min(size - 1, Math.max(0, Math.floor(fraction * size)));
    room.setTriggerValue("picked", {
      x: at((u - x) / scale, room.data.width), y: at((v - y) / scale, room.data.height), cell: index,
    });
  };
  frame.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
    event.preventDefault();
    zoom(root, room, Math.exp(-event.deltaY / 200), ...place(event));
  }, { passive: false });
  frame.onkeydown = (event) => {
    const step = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (event.key === "+" || event.key === "=") zoom(root, room, 1.5, 0.5, 0.5);
    else if (event.key === "-") zoom(root, room, 0.667, 0.5, 0.5);
    else if (event.key === "0") zoom(root, room, 0, 0.5, 0.5);
    else if (step[event.key] && room.view.scale > 1) {
      room.view.x += step[event.key][0];
      room.view.y += step[event.key][1];
      show(root, room);
    } else return;
    event.preventDefault();
  };
  return element;
}

function zoom(root, room, by, u, v) {
  const { view } = room;
  const scale = by ? Math.min(32, Math.max(1, view.scale * by)) : 1;
  view.x = u - ((u - view.x) / view.scale) * scale;
  view.y = v - ((v - view.y) / view.scale) * scale;
  view.scale = scale;
  show(root, room);
}

function show(root, room) {
  const { view } = room;
  view.x = Math.min(0, Math.max(1 - view.scale, view.x));
  view.y = Math.min(0, Math.max(1 - view.scale, view.y));
  root.querySelector("output").textContent = `${Math.round(view.scale * 100)} %`;
  for (const frame of root.querySelectorAll(".frame")) {
    frame.classList.toggle("zoomed", view.scale > 1);
    const image = frame.querySelector("img");
    image.style.transform = `translate(${view.x * 100}%, ${view.y * 100}%) scale(${view.scale})`;
    image.style.imageRendering = view.scale >= 6 ? "pixelated" : "auto";
    for (const mark of frame.querySelectorAll(".mark")) {
      mark.style.left = `${(view.x + Number(mark.dataset.x) * view.scale) * 100}%`;
      mark.style.top = `${(view.y + Number(mark.dataset.y) * view.scale) * 100}%`;
    }
  }
}

// A labelled grid of pictures of one size that zoom and move together.
// data: {cells: [{title, note, src}], width, height, cell, pick, marks: [{x, y, to, color}]}
// With `pick` ("point" or "area"), sends the trigger `picked` = {x, y, to} in pixels of the picture; `to` is [x, y] of
// the opposite corner of a rectangle, or null for a point.
const rooms = new WeakMap(); // what must outlive a new render: the view {scale, x, y}
// and `draft`, the rectangle being drawn: {from: [u, v], to: [u, v]}, shares of the picture

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
      <span class="hint" aria-live="polite"></span><button data-by="0.667" aria-label="Zoom out">−</button>
      <output></output><button data-by="1.5" aria-label="Zoom in">+</button>
      <button data-by="0">Fit</button><button class="enlarge" aria-expanded="false">Enlarge</button></div><div class="cells"></div>`;
  root.querySelector(".enlarge").onclick = () => enlarge(root, !root.hasAttribute("popover"));
  root.addEventListener("keydown", (event) => event.key === "Escape" && enlarge(root, false));
  for (const button of root.querySelectorAll("[data-by]"))
    button.onclick = () => zoom(root, room, Number(button.dataset.by), 0.5, 0.5);
}

function fill(root, room) {
  const { cells, width, height, cell, columns, most, pick, marks } = room.data;
  const grid = root.querySelector(".cells");
  grid.style.setProperty("--cell", `${cell ?? 300}px`);
  const least = most && `max(min(100%, var(--cell)), (100% - ${most - 1} * 0.8rem) / ${most})`;
  grid.style.gridTemplateColumns = columns ? `repeat(${columns}, minmax(0, 1fr))`
    : most ? `repeat(auto-fill, minmax(${least}, 1fr))` : "";
  while (grid.children.length > cells.length) grid.lastChild.remove();
  while (grid.children.length < cells.length) grid.append(figure(root, room, grid.children.length));
  cells.forEach((content, index) => {
    const [frame, caption] = grid.children[index].children;
    const image = frame.querySelector("img");
    if (image.getAttribute("src") !== content.src) image.src = content.src;
    image.alt = `${content.title}. ${content.note ?? ""}`;
    frame.style.aspectRatio = `${content.width ?? width} / ${content.height ?? height}`;
    frame.classList.toggle("pick", Boolean(pick));
    frame.setAttribute("aria-label", pick
      ? `${content.title}. Arrows move a point, ${pick === "area" ? "with Shift they draw a rectangle, " : ""}Enter takes it`
      : `${content.title}. Plus and minus zoom, arrows move`);
    caption.firstChild.textContent = content.title;
    caption.lastChild.textContent = content.note ?? "";
    frame.querySelectorAll(".mark").forEach((mark) => mark.remove());
    for (const { x, y, to, color } of marks ?? []) {
      const mark = document.createElement("i");
      mark.style.setProperty("--color", color);
      const share = ([across, down]) => [(across + 0.5) / width, (down + 0.5) / height];
      mark.span = { from: share([x, y]), to: share(to ?? [x, y]) };
      mark.className = to ? "mark box" : "mark";
      frame.append(mark);
    }
  });
}

function figure(root, room, index) {
  const element = document.createElement("figure");
  element.innerHTML = `<div class="frame" tabindex="0" role="group"><img decoding="async"
    ><i class="draft" hidden></i></div>
    <figcaption><b></b><span></span></figcaption>`.replace(/>\s+</g, "><");
  const frame = element.firstChild;
  const pointers = new Map();
  const place = (event) => {
    const box = frame.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  frame.ondblclick = (event) => {
    if (!room.data.pick) zoom(root, room, event.shiftKey ? 0.5 : 2, ...place(event));
  };
  frame.onpointerdown = (event) => {
    pointers.set(event.pointerId, place(event));
    const draws = room.data.pick && pointers.size === 1 && !event.shiftKey && !event.button;
    room.draft = draws ? { from: inside(room, place(event)), to: inside(room, place(event)) } : null;
    if (draws || room.view.scale > 1 || pointers.size > 1) frame.setPointerCapture(event.pointerId);
  };
  frame.onpointermove = (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    if (room.draft) {
      room.draft.to = inside(room, now);
      if (room.data.pick === "point") room.draft.from = room.draft.to;
      show(root, room);
      return;
    }
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
  frame.onpointerup = (event) => {
    pointers.delete(event.pointerId);
    if (room.draft) take(room);
    room.draft = null;
    show(root, room);
  };
  frame.onpointercancel = (event) => {
    pointers.delete(event.pointerId);
    room.draft = null;
    show(root, room);
  };
  frame.onblur = () => {
    room.draft = null;
    show(root, room);
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
    else if (room.data.pick && step[event.key]) draw(root, room, step[event.key], event.shiftKey);
    else if (room.draft && (event.key === "Enter" || event.key === " ")) take(room);
    else if (room.draft && event.key === "Escape") {
      room.draft = null;
      show(root, room);
    } else if (step[event.key] && room.view.scale > 1) {
      room.view.x += step[event.key][0];
      room.view.y += step[event.key][1];
      show(root, room);
    } else return;
    event.preventDefault();
  };
  return element;
}

// A place in the frame -> the same in the picture, both as shares.
function inside({ view }, [u, v]) {
  const within = (share) => Math.min(1, Math.max(0, share));
  return [within((u - view.x) / view.scale), within((v - view.y) / view.scale)];
}

// An arrow key moves the point, or with `stretch` the far corner; the view follows it.
function draw(root, room, [left, up], stretch) {
  const { view } = room;
  const [u, v] = room.draft
    ? room.draft.to.map((share, axis) => view[axis ? "y" : "x"] + share * view.scale)
    : [0.5, 0.5];
  const from = inside(room, [u, v]);
  const to = inside(room, [u - left / 5, v - up / 5]);
  room.draft = { from: stretch && room.data.pick === "area" ? (room.draft?.from ?? from) : to, to };
  for (const [axis, share] of [["x", to[0]], ["y", to[1]]])
    view[axis] = Math.min(0.95 - share * view.scale, Math.max(0.05 - share * view.scale, view[axis]));
  show(root, room);
}

// Send what is drawn: less than a hundredth of the frame is a point.
function take({ data, draft: { from, to }, view, setTriggerValue }) {
  const pixel = ([u, v]) => [[u, data.width], [v, data.height]].map(
    ([share, size]) => Math.min(size - 1, Math.floor(share * size)),
  );
  const far = Math.hypot(to[0] - from[0], to[1] - from[1]) * view.scale > 0.01;
  const [x, y] = pixel(from);
  setTriggerValue("picked", { x, y, to: far ? pixel(to) : null });
}

// Lay an element over what it spans in the picture.
function lay(element, { from, to }, { scale, x, y }) {
  for (const [axis, edge, extent] of [[0, "left", "width"], [1, "top", "height"]]) {
    const low = Math.min(from[axis], to[axis]);
    element.style[edge] = `${([x, y][axis] + low * scale) * 100}%`;
    element.style[extent] = `${Math.abs(to[axis] - from[axis]) * scale * 100}%`;
  }
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
  const { view, draft } = room;
  view.x = Math.min(0, Math.max(1 - view.scale, view.x));
  view.y = Math.min(0, Math.max(1 - view.scale, view.y));
  root.querySelector("output").textContent = `${Math.round(view.scale * 100)} %`;
  root.querySelector(".hint").textContent = words(room);
  for (const frame of root.querySelectorAll(".frame")) {
    frame.classList.toggle("zoomed", view.scale > 1);
    const image = frame.querySelector("img");
    image.style.transform = `translate(${view.x * 100}%, ${view.y * 100}%) scale(${view.scale})`;
    image.style.imageRendering = view.scale >= 6 ? "pixelated" : "auto";
    for (const mark of frame.querySelectorAll(".mark")) lay(mark, mark.span, view);
    const drawn = frame.querySelector(".draft");
    drawn.hidden = !draft;
    if (draft) lay(drawn, draft, view);
  }
}

function words({ data: { pick, width, height }, draft, view }) {
  if (!pick) return "Double-click, pinch or + to zoom all; drag to move";
  const at = ([u, v]) => `${Math.floor(u * width)}, ${Math.floor(v * height)}`;
  if (draft && `${draft.from}` !== `${draft.to}`)
    return `From ${at(draft.from)} to ${at(draft.to)}`;
  if (draft) return `At ${at(draft.to)}`;
  const move = view.scale > 1 ? "; Shift and drag to move" : "";
  return `Click a point ${pick === "area" ? "or draw a rectangle " : ""}in any picture${move}`;
}

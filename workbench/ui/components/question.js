// One question of a study: shows pictures, measures with the browser's own clock, sends one answer.
// data: {token, attempt, design, asked, keep, sources, ahead, exposure, gap, minimum, wait, progress, share,
//        feedback, names, reference}
// asked: the question above the pictures; keep: name=value of a cookie with the rater's code
// ahead: the pictures of the next question, fetched while this one is looked at
// reference: {source, caption} of what stands beside the pictures, or null
// names: what the pictures are called, or null: left and right, or first and second
// exposure: of real_or_fake; 0: both pictures stay
// design: pair (left, right, tie), real_or_fake (two timed exposures, then left or right), rank.
// answer: {token, choice, shown_at, answered_at, dwell_ms, exposures_ms, viewport, shown_size}
const element = (parent, kind, className, text) => {
  const made = parent.appendChild(document.createElement(kind));
  made.className = className;
  if (text) made.textContent = text;
  return made;
};
const picture = (source) => {
  const made = document.createElement("img");
  made.className = "picture";
  made.src = source;
  return made;
};
// width x height of a picture as it stands on the screen, CSS pixels
const onScreen = (image) => {
  const [width, height] = [image.offsetWidth, image.offsetHeight]; // however far it is zoomed
  const scale = Math.min(width / image.naturalWidth, height / image.naturalHeight);
  const sides = [image.naturalWidth * scale, image.naturalHeight * scale];
  return sides.every(Number.isFinite) ? sides.map(Math.round).join("x") : "";
};
const frame = () => new Promise(requestAnimationFrame);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".question");
  const name = `${data.token}/${data.attempt}`;
  if (root.dataset.name === name) return root.leave;
  root.dataset.name = name;
  if (root.leave) root.leave();
  const begun = root.childElementCount > 0; // not the first question since the page was loaded
  root.replaceChildren();
  let live = true; // false once answered or replaced by the next question
  let open = false; // whether an answer is taken now
  let shownAt = 0;
  let since = 0;
  const exposures = [];
  const timed = data.design === "real_or_fake" && data.exposure > 0;

  const secure = location.protocol === "https:" ? "SameSite=None; Secure; Partitioned" : "SameSite=Lax";
  document.cookie = `${data.keep}; path=/; ${secure}`;
  element(root, "h1", "asked", data.asked);
  const top = element(root, "div", "top");
  element(top, "span", "progress", data.progress);
  element(top, "span", `feedback ${data.feedback.kind || ""}`, data.feedback.text);
  [["−", "Zoom out", 1 / 1.5], ["+", "Zoom in", 1.5]].forEach(([text, label, by]) => {
    const made = element(top, "button", "zoom", text);
    made.setAttribute("aria-label", `${label} all pictures`);
    made.onclick = () => zoom(by, 0.5, 0.5);
  });
  const larger = element(top, "button", "enlarge", root.hasAttribute("popover") ? "Close" : "Enlarge");
  larger.setAttribute("aria-expanded", root.hasAttribute("popover"));
  larger.onclick = () => (enlarge(root, !root.hasAttribute("popover")), fit());
  const bar = element(element(root, "div", "bar"), "div", "done");
  bar.style.width = `${100 * data.share}%`;
  const stage = element(root, "div", `stage ${data.design}`);
  const controls = element(root, "div", "controls");
  const said = element(root, "div", "said");
  said.setAttribute("aria-live", "polite");

  const fetched = root.fetched || new Map(); // address -> image, of the question before
  root.fetched = new Map();
  const pictures = data.sources.map((source, place) => {
    const slot = element(stage, data.design === "real_or_fake" ? "div" : "button", "slot");
    if (data.names) slot.dataset.name = data.names[place];
    const image = slot.appendChild(fetched.get(source) || picture(source));
    fetched.delete(source);
    image.alt = `picture ${place + 1}`;
    image.draggable = false;
    return { slot, image };
  });
  let reference = null;
  if (data.reference) {
    const { source, caption } = data.reference;
    const slot = element(stage, "div", "slot reference");
    slot.dataset.name = caption;
    reference = { slot, image: slot.appendChild(fetched.get(source) || picture(source)) };
    fetched.delete(source);
    reference.image.alt = caption;
    reference.image.draggable = false;
  }
  const all = [...pictures, ...(reference ? [reference] : [])];

  // One view for all pictures: + and − (or Ctrl and the wheel, or two fingers), then drag.
  const view = { scale: 1, x: 0, y: 0 }; // x, y: of the picture's corner, shares of its side
  const show = () => {
    view.x = Math.min(0, Math.max(1 - view.scale, view.x));
    view.y = Math.min(0, Math.max(1 - view.scale, view.y));
    root.toggleAttribute("data-zoomed", view.scale > 1);
    all.forEach(({ image }) => {
      image.style.transform = `translate(${100 * view.x}%, ${100 * view.y}%) scale(${view.scale})`;
    });
  };
  const zoom = (by, u, v) => {
    const scale = by ? Math.min(16, Math.max(1, view.scale * by)) : 1;
    view.x = u - ((u - view.x) / view.scale) * scale;
    view.y = v - ((v - view.y) / view.scale) * scale;
    view.scale = scale;
    show();
  };
  const move = (x, y) => ((view.x += x), (view.y += y), show());
  show();
  all.forEach(({ slot }) => {
    const held = new Map(); // pointer -> where it is
    let far = 0; // how far they have gone since the first came down: a drag is no answer
    const place = ({ clientX, clientY }) => {
      const box = slot.getBoundingClientRect();
      return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
    };
    slot.onpointerdown = (event) => {
      if (!held.size) far = 0;
      held.set(event.pointerId, place(event));
      if (held.size > 1 || view.scale > 1) slot.setPointerCapture(event.pointerId);
    };
    slot.onpointermove = (event) => {
      const before = held.get(event.pointerId);
      if (!before || (held.size < 2 && view.scale === 1)) return;
      const now = place(event);
      far += Math.hypot(now[0] - before[0], now[1] - before[1]);
      if (held.size === 2) {
        const [, other] = [...held].find(([id]) => id !== event.pointerId);
        const apart = (each) => Math.max(0.01, Math.hypot(each[0] - other[0], each[1] - other[1]));
        zoom(apart(now) / apart(before), ...other);
      } else move(now[0] - before[0], now[1] - before[1]);
      held.set(event.pointerId, now);
    };
    slot.onpointerup = slot.onpointerleave = slot.onpointercancel = (event) => held.delete(event.pointerId);
    slot.addEventListener("click", (event) => far > 0.02 && event.detail && event.stopImmediatePropagation(), true);
    slot.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 200), ...place(event));
    }, { passive: false });
  });
  // In as many columns as make the pictures largest; where they stand in one, left is above. What
  // they are compared with stands in their row, or alone in the first one.
  const fit = () => {
    const gap = parseFloat(getComputedStyle(stage).gap) || 0;
    const [whole, pair] = [root, stage].map((each) => each.getBoundingClientRect());
    const below = (said.offsetHeight ? said : controls).getBoundingClientRect().bottom - pair.bottom;
    const high = innerHeight - (pair.top - whole.top) - below - 24;
    const most = ({ columns, rows }) =>
      Math.min((stage.clientWidth + gap) / columns, (high + gap) / rows) - gap;
    const ways = pictures.map((_, place) => ({
      columns: place + 1,
      rows: Math.ceil(pictures.length / (place + 1)) + (reference ? 1 : 0),
    }));
    if (reference) ways.push({ columns: all.length, rows: 1 });
    const [way] = ways.sort((a, b) => most(b) - most(a));
    const { columns } = way;
    const side = Math.max(96, Math.floor(most(way)));
    if (reference) {
      const alone = way.rows > 1;
      Object.assign(reference.slot.style, { gridColumn: alone ? "1 / -1" : "", width: `${side}px` });
      pictures.forEach(({ slot }, place) => (slot.style.order = place ? 2 : alone ? 1 : 0));
      reference.slot.style.order = alone ? 0 : 1; // between left and right
    }
    stage.style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
    root.toggleAttribute("data-stacked", columns === 1);
    root.querySelectorAll("[data-words]").forEach((each) => {
      each.textContent = each.dataset.words.split("|")[columns === 1 ? 1 : 0];
    });
  };
  const hide = (hidden) =>
    all.forEach(({ image }) => (image.style.visibility = hidden ? "hidden" : "visible"));
  hide(true);

  const button = (text, action) => {
    const made = element(controls, "button", "choice", text);
    made.disabled = true;
    made.onclick = action;
    return made;
  };
  const allow = () => {
    open = true;
    root.querySelectorAll("button").forEach((each) => (each.disabled = false));
  };
  const answer = (choice) => {
    if (!open || !live) return;
    const dwell = performance.now() - since;
    if (dwell < data.minimum) return;
    open = live = false;
    root.querySelectorAll("button").forEach((each) => (each.disabled = true));
    said.textContent = "Saving…";
    setTriggerValue("answer", {
      token: data.token,
      choice,
      shown_at: shownAt,
      answered_at: Date.now(),
      dwell_ms: dwell,
      exposures_ms: exposures,
      shown_size: onScreen(pictures[0].image),
      viewport: `${innerWidth}x${innerHeight}x${devicePixelRatio}`,
    });
  };

  let keys = {};
  const order = [];
  if (data.design === "rank") {
    const send = button("Send this order", () => answer(order.join(",")));
    const undo = button("Start again", () => mark(-1));
    const mark = (place) => {
      if (place < 0) order.length = 0;
      else if (order.includes(place)) order.length = order.indexOf(place);
      else order.push(place);
      if (order.length === pictures.length - 1)
        order.push(pictures.findIndex((_, each) => !order.includes(each)));
      pictures.forEach(({ slot }, each) => {
        const at = order.indexOf(each);
        slot.dataset.rank = at < 0 ? "" : `${at + 1}`;
      });
      const ready = order.length === pictures.length;
      send.disabled = !ready;
      said.textContent = ready ? "" : `Choose number ${order.length + 1}, best first.`;
    };
    pictures.forEach(({ slot }, place) => (slot.onclick = () => open && mark(place)));
    pictures.forEach((_, place) => (keys[`${place + 1}`] = () => open && mark(place)));
    keys.Enter = () => order.length === pictures.length && answer(order.join(","));
    keys.Backspace = () => open && mark(-1);
    root.settle = () => mark(-1);
  } else {
    const fake = data.design === "real_or_fake";
    const first = button("", () => answer("left"));
    if (!fake) button("No difference (space)", () => answer("tie"));
    const second = button("", () => answer("right"));
    const named = data.names?.map((each) => (fake ? `${each} is the fake` : each));
    first.dataset.words = named ? `${named[0]}|${named[0]}` : fake ? "← The first is the fake|↑ The first is the fake" : "← Left|↑ Upper";
    second.dataset.words = named ? `${named[1]}|${named[1]}` : fake ? "The second is the fake →|The second is the fake ↓" : "Right →|Lower ↓";
    keys = { ArrowLeft: () => answer("left"), ArrowRight: () => answer("right") };
    const stacked = (choice) => root.hasAttribute("data-stacked") && answer(choice);
    Object.assign(keys, { ArrowUp: () => stacked("left"), ArrowDown: () => stacked("right") });
    if (!fake) {
      keys[" "] = () => answer("tie");
      pictures.forEach(({ slot }, place) => (slot.onclick = () => answer(["left", "right"][place])));
    }
  }
  keys.e = keys.E = () => larger.click();
  const steps = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
  keys["+"] = keys["="] = () => zoom(1.5, 0.5, 0.5);
  keys["-"] = () => zoom(1 / 1.5, 0.5, 0.5);
  keys[0] = () => zoom(0, 0.5, 0.5);
  keys.Escape = () => root.hasAttribute("popover") && larger.click();
  fit();
  const watcher = new ResizeObserver(fit);
  watcher.observe(root);
  window.addEventListener("resize", fit);
  const pressed = (event) => {
    const where = event.composedPath()[0];
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(where.tagName) || where.isContentEditable) return;
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (/^(Enter| )$/.test(event.key) && where.tagName === "BUTTON") return; // presses that one
    if (event.shiftKey && steps[event.key]) {
      event.preventDefault();
      return move(...steps[event.key]);
    }
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  };
  window.addEventListener("keydown", pressed);
  root.querySelectorAll("button").forEach((each) => (each.disabled = true));

  // The picture is on the screen from one frame until another; both are timed.
  const expose = async (image) => {
    image.style.visibility = "visible";
    const from = await frame();
    let now = from;
    while (live && now - from < data.exposure - 8) now = await frame();
    image.style.visibility = "hidden";
    exposures.push(now - from);
  };
  const started = () =>
    new Promise((done) => {
      const start = element(stage, "button", "start", "Start (space)");
      const go = () => (start.remove(), delete keys[" "], done());
      start.onclick = go;
      keys[" "] = go;
    });

  (async () => {
    await Promise.all(all.map(({ image }) => image.decode().catch(() => {})));
    if (!live) return;
    if (timed) {
      if (!begun) await started();
      await pause(data.wait);
      while (live && document.hidden) await pause(100);
      shownAt = Date.now();
      await expose(pictures[0].image);
      await pause(data.gap);
      await expose(pictures[1].image);
      said.textContent = "Which one was the fake?";
    } else {
      hide(false);
      await frame();
      shownAt = Date.now();
    }
    since = performance.now();
    data.ahead.forEach((source) => root.fetched.set(source, picture(source)));
    await pause(data.minimum);
    if (!live) return;
    allow();
    if (root.settle && data.design === "rank") root.settle();
  })();

  root.leave = () => {
    live = false;
    watcher.disconnect();
    window.removeEventListener("resize", fit);
    window.removeEventListener("keydown", pressed);
  };
  return root.leave;
}

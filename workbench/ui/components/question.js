// One question of a study: shows pictures, measures with the browser's own clock, sends one answer.
// data: {token, attempt, design, asked, keep, sources, ahead, exposure, gap, minimum, wait, progress, share,
//        feedback, names}
// asked: the question above the pictures; keep: name=value of a cookie with the rater's code
// ahead: the pictures of the next question, fetched while this one is looked at
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
  const { width, height } = image.getBoundingClientRect();
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
  // In as many columns as make the pictures largest; where they stand in one, left is above.
  const fit = () => {
    const gap = parseFloat(getComputedStyle(stage).gap) || 0;
    const [all, pair] = [root, stage].map((each) => each.getBoundingClientRect());
    const below = (said.offsetHeight ? said : controls).getBoundingClientRect().bottom - pair.bottom;
    const high = innerHeight - (pair.top - all.top) - below - 24;
    const most = (columns) => {
      const rows = Math.ceil(pictures.length / columns);
      return Math.min((stage.clientWidth + gap) / columns, (high + gap) / rows) - gap;
    };
    const [columns] = pictures.map((_, place) => place + 1).sort((a, b) => most(b) - most(a));
    const side = Math.max(96, Math.floor(most(columns)));
    stage.style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
    root.toggleAttribute("data-stacked", columns === 1);
    root.querySelectorAll("[data-words]").forEach((each) => {
      each.textContent = each.dataset.words.split("|")[columns === 1 ? 1 : 0];
    });
  };
  const hide = (hidden) =>
    pictures.forEach(({ image }) => (image.style.visibility = hidden ? "hidden" : "visible"));
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
    await Promise.all(pictures.map(({ image }) => image.decode().catch(() => {})));
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

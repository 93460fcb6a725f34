// Two clips side by side in step, with one set of controls.
// Space plays and pauses; the arrows go a second back or on, comma and full stop a frame.
// data: {before: {title, src}, after: {title, src}, rate}; rate is in frames a second
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".pair");
  if (!root.firstChild) {
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Original and result in step. Space plays and pauses.");
    root.innerHTML = `<div class="screens">
        <figure><video class="before" muted playsinline preload="auto"></video>
          <figcaption></figcaption></figure>
        <figure><video class="after" playsinline preload="auto"></video>
          <figcaption></figcaption></figure></div>
      <div class="controls"><button type="button" class="play" aria-label="Play">▶</button>
        <input class="seek" type="range" min="0" max="1" step="any" value="0"
          aria-label="Place in the clip"><output></output>
        <label>Speed <select><option>0.25</option><option>0.5</option>
          <option selected>1</option><option>2</option></select></label>
        <label><input class="sound" type="checkbox" checked> Sound</label></div>`;
  }
  const find = (where) => root.querySelector(where);
  const [before, after] = [find(".before"), find(".after")];
  const [play, seek, clock] = [find(".play"), find(".seek"), find("output")];
  const captions = root.querySelectorAll("figcaption");
  [[before, data.before], [after, data.after]].forEach(([video, { title, src }], index) => {
    captions[index].textContent = title;
    video.setAttribute("aria-label", title);
    video.onerror = () => {
      captions[index].textContent = `${title}: this browser cannot play the file`;
    };
    if (video.getAttribute("src") !== src) video.src = src;
  });

  const stamp = (t) => `${Math.floor(t / 60)}:${(t % 60).toFixed(1).padStart(4, "0")}`;
  const show = () => {
    const length = after.duration || 0;
    seek.max = length || 1;
    seek.value = after.currentTime;
    seek.setAttribute("aria-valuetext", stamp(after.currentTime));
    clock.textContent = `${stamp(after.currentTime)} / ${stamp(length)}`;
    play.textContent = after.paused ? "▶" : "❚❚";
    play.setAttribute("aria-label", after.paused ? "Play" : "Pause");
  };
  // The result leads. A small lead or lag is made up by speed, a large one by a jump.
  const follow = () => {
    const lag = after.currentTime - before.currentTime;
    const speed = after.playbackRate;
    if (before.readyState && !before.seeking) {
      if (Math.abs(lag) > (after.paused ? 0.005 : 0.15)) before.currentTime = after.currentTime;
      const wanted = Math.abs(lag) > 0.02 ? speed * (lag > 0 ? 1.1 : 0.9) : speed;
      if (before.playbackRate !== wanted) before.playbackRate = wanted;
    }
    show();
  };
  let frame = 0;
  const run = () => {
    follow();
    if (!after.paused && !after.ended) frame = requestAnimationFrame(run);
  };
  const go = (t) => {
    after.currentTime = Math.min(Math.max(t, 0), after.duration || 0);
    before.currentTime = after.currentTime;
  };
  const toggle = () => {
    if (!after.paused) return after.pause();
    if (after.ended) go(0);
    before.play().catch(() => {});
    after.play().catch(() => {});
  };
  after.onplay = () => {
    cancelAnimationFrame(frame);
    run();
  };
  after.onpause = after.onended = () => {
    before.pause();
    follow();
  };
  after.onseeked = after.onloadedmetadata = after.onwaiting = follow;
  play.onclick = toggle;
  seek.oninput = () => go(Number(seek.value));
  find("select").onchange = (event) => {
    after.playbackRate = before.playbackRate = Number(event.target.value);
  };
  find(".sound").onchange = (event) => {
    after.muted = !event.target.checked;
  };
  root.onkeydown = (event) => {
    if (event.target.matches("select, .seek, .sound")) return;
    if (event.key === " " && event.target.matches("button")) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, ",": -1 / data.rate, ".": 1 / data.rate };
    if (event.key === " ") toggle();
    else if (event.key in step) go(after.currentTime + step[event.key]);
    else return;
    event.preventDefault();
  };
  show();
  return () => cancelAnimationFrame(frame);
}

// Two pictures of one size, one behind the other, and a line to draw between them.
// The line is a range input: the arrow keys, Home and End move it, and a screen reader names it.
// data: [before {title, src, width, height}, after {title, src}]
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".slider");
  if (!root.firstChild) {
    root.innerHTML = `<div class="frame"><img class="before"><img class="after">
      <input type="range" min="0" max="100" step="0.5" value="50"><div class="line"></div></div>
      <div class="names"><span></span><button class="enlarge" aria-expanded="false">Enlarge</button><span></span></div>`;
    const input = root.querySelector("input");
    input.oninput = () => {
      root.style.setProperty("--at", `${input.value}%`);
      input.setAttribute("aria-valuetext", `${Math.round(input.value)} % ${input.dataset.before}`);
    };
    input.oninput();
    root.querySelector(".enlarge").onclick = () => enlarge(root, !root.hasAttribute("popover"));
    root.addEventListener("keydown", (event) => event.key === "Escape" && enlarge(root, false));
  }
  const [before, after] = data;
  root.style.setProperty("--ratio", before.width / before.height);
  const input = root.querySelector("input");
  input.dataset.before = before.title;
  input.setAttribute("aria-label", `Line between ${before.title} and ${after.title}`);
  [[".before", before], [".after", after]].forEach(([where, content], index) => {
    const image = root.querySelector(where);
    if (image.getAttribute("src") !== content.src) image.src = content.src;
    image.alt = content.title;
    root.querySelectorAll(".names span")[index].textContent = content.title;
  });
}

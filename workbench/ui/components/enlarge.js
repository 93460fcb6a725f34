// Above everything else on the page, as large as the window allows, and back.
function enlarge(root, large) {
  if (large === root.hasAttribute("popover")) return;
  if (large) {
    root.popover = "manual";
    root.showPopover();
  } else {
    root.hidePopover();
    root.removeAttribute("popover");
  }
  const button = root.querySelector(".enlarge");
  button.textContent = large ? "Close" : "Enlarge";
  button.setAttribute("aria-expanded", large);
}

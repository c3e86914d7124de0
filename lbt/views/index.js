"use strict";
// Everything on the page works without this script.
const state = document.querySelector(".state");
if (state.classList.contains("running") && Date.now() / 1000 - Number(state.dataset.written) > 300) {
  document.querySelector(".old").hidden = false;
}
for (const button of document.querySelectorAll(".copy button")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "Copied";
  });
}
// Inside a report, links to other files lead nowhere.
if (window !== window.top) {
  document.documentElement.classList.add("framed");
  for (const link of document.querySelectorAll("a[href]")) link.removeAttribute("href");
}

"use strict";
// Cards are empty until they come near the view; their pictures are text in <script type="text/plain">.
const facts = JSON.parse(document.getElementById("facts").textContent);
const images = facts.images;
const [main, form, dialog] = ["main", "form", "dialog"].map((name) => document.querySelector(name));
const KINDS = ["image", "label", "confidence"];
const percent = (thousandths, digits = 1) => `${(thousandths / 10).toFixed(digits)} %`;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// ---- pictures and cards
function pictures(index) {
  const block = document.getElementById(`pictures-${index}`);
  if (!block) return null; // the browser is still reading the file
  const [image, label, confidence] = block.textContent.split(" ");
  return [`data:image/webp;base64,${image}`, `data:image/png;base64,${label}`, `data:image/png;base64,${confidence}`];
}

function describe(index, kind) {
  const { id, confidence, classes } = images[index];
  if (kind === "image") return `Image ${id}`;
  if (kind === "confidence") return `Confidence of ${id}: ${percent(confidence)} on average`;
  return `Label of ${id}: ${classes.slice(0, 5).map(([c, share]) => `${facts.classes[c]} ${percent(share, 0)}`).join(", ")}`;
}

function panels(index) {
  const sources = pictures(index);
  const [width, height] = images[index].size;
  return KINDS.map((kind, k) => element("figure", {},
    element("img", { alt: describe(index, kind), width, height, decoding: "async", src: sources ? sources[k] : "" }),
    element("figcaption", { textContent: kind })));
}

function named(c) {
  const dot = element("span", { className: "dot" });
  dot.style.background = facts.colors[c];
  return [dot, facts.classes[c]];
}

function numbers({ confidence, changed }) {
  return `confidence ${percent(confidence)}` + (changed === null ? "" : ` · changed ${percent(changed)}`);
}

function fill(card) {
  const index = Number(card.dataset.index);
  const image = images[index];
  if (card.dataset.filled || !document.getElementById(`pictures-${index}`)) return;
  card.dataset.filled = "yes";
  const open = element("button", { type: "button", className: "panels" }, ...panels(index));
  open.setAttribute("aria-label", `Open ${image.id}`);
  open.addEventListener("click", () => show(index));
  const shown = image.classes.slice(0, 6);
  const chips = shown.map(([c, share]) => element("li", {}, ...named(c), ` ${percent(share)}`));
  if (image.classes.length > shown.length) {
    chips.push(element("li", { className: "numbers", textContent: `and ${image.classes.length - shown.length} more` }));
  }
  card.replaceChildren(
    element("div", { className: "line" },
      element("h2", { textContent: image.id }), element("span", { className: "numbers", textContent: numbers(image) })),
    open, element("ul", { className: "chips" }, ...chips));
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) fill(entry.target);
}, { rootMargin: "700px 0px" });

const cards = images.map((image, index) => {
  const card = element("article", { className: "card" });
  card.dataset.index = index;
  card.style.setProperty("--ratio", image.size.join(" / "));
  seen.observe(card);
  return card;
});

// An empty card is as high as a filled one will be: a third of its width by the picture's ratio, and three lines.
function reserve() {
  const width = main.clientWidth && cards[order[0]]?.clientWidth;
  if (!width) return;
  cards.forEach((card, index) => {
    const [w, h] = images[index].size;
    card.style.minHeight = `${Math.round(((width - 36) / 3) * (h / w) + 100)}px`;
  });
}

// ---- filter and order
let order = [];

function wanted() {
  const number = (name, otherwise) => (form.elements[name].value === "" ? otherwise : Number(form.elements[name].value) * 10);
  const c = form.elements.class.value === "" ? null : Number(form.elements.class.value);
  return { c, share: number("share", 0), from: number("from", 0), to: number("to", 1000), name: form.elements.name.value.toLowerCase() };
}

function apply() {
  const { c, share, from, to, name } = wanted();
  const entry = (image) => (c === null ? null : image.classes.find(([own]) => own === c));
  // with a class chosen, confidence is that of the class in the image
  const sureness = (image) => (c === null ? image.confidence : entry(image)[2]);
  const fits = (image) => {
    if (name && !image.id.toLowerCase().includes(name)) return false;
    const own = entry(image);
    if (c !== null && (!own || own[1] < share)) return false;
    return sureness(image) >= from && sureness(image) <= to;
  };
  const keys = {
    name: () => 0,
    unsure: (image) => sureness(image),
    sure: (image) => -sureness(image),
    share: (image) => (c === null ? -image.classes[0][1] : -entry(image)[1]),
    changed: (image) => -(image.changed ?? 0),
  };
  const key = keys[form.elements.order.value];
  order = images.map((_, index) => index).filter((index) => fits(images[index]));
  order.sort((a, b) => key(images[a]) - key(images[b]) || a - b);
  main.replaceChildren(...order.map((index) => cards[index]));
  form.elements.share.disabled = c === null; // a share is one of the chosen class
  document.querySelector(".of").textContent = c === null ? "" : ` of ${facts.classes[c]}`;
  document.querySelector(".none").hidden = order.length > 0;
  document.querySelector("output").textContent = `${order.length} of ${images.length} images`;
  reserve();
  remember();
}

// ---- one image
let current = null;

function show(index) {
  current = index;
  const image = images[index];
  dialog.querySelector("h2").textContent = `${image.id} (${numbers(image)})`;
  dialog.querySelector(".panels").replaceChildren(...panels(index));
  const over = dialog.querySelectorAll("img")[1].cloneNode();
  over.className = "over";
  over.alt = "";
  dialog.querySelector("figure").append(over);
  dialog.querySelector("tbody").replaceChildren(...image.classes.map(([c, share, confidence]) => element("tr", {},
    element("th", { scope: "row" }, ...named(c)), element("td", { textContent: percent(share) }), element("td", { textContent: percent(confidence) }))));
  const place = order.indexOf(index);
  for (const button of dialog.querySelectorAll("[data-go]")) button.disabled = place < 0 || !(place + Number(button.dataset.go) in order);
  if (!dialog.open) dialog.showModal();
  remember();
}

function go(step) {
  const place = order.indexOf(current) + step;
  if (order.includes(current) && place in order) show(order[place]);
}

// ---- rounds: the state goes along in the address, so that the other page opens at the same image
function address() {
  const state = new URLSearchParams();
  if (current !== null) state.set("image", images[current].id);
  for (const field of form.elements) if (field.name && field.value && !(field.name === "order" && field.value === "name")) state.set(field.name, field.value);
  return `#${state}`;
}

function remember() {
  const where = address();
  history.replaceState(null, "", where === "#" ? location.pathname + location.search : where);
  for (const nav of document.querySelectorAll(".rounds")) {
    const link = (which, text, key) => {
      const made = element("a", { href: facts.links[which] + where, textContent: text });
      made.setAttribute("aria-keyshortcuts", key);
      return made;
    };
    nav.replaceChildren(
      ...(facts.links.previous ? [link("previous", `← round ${facts.round - 1}`, "ArrowUp")] : []),
      element("b", { textContent: `round ${facts.round}` }),
      ...(facts.links.next ? [link("next", `round ${facts.round + 1} →`, "ArrowDown")] : []));
  }
}

function restore() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const field of form.elements) if (field.name && state.has(field.name)) field.value = state.get(field.name);
  apply();
  const index = images.findIndex((image) => image.id === state.get("image"));
  if (index >= 0) show(index);
}

// ---- start
document.querySelector("h1").textContent = document.title;
facts.classes.forEach((name, c) => form.elements.class.append(element("option", { value: c, textContent: name })));
if (images.every((image) => image.changed === null)) form.elements.order.querySelector("[value=changed]").remove();
form.addEventListener("input", apply);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(apply));
window.addEventListener("resize", reserve);
window.addEventListener("hashchange", restore);
for (const button of dialog.querySelectorAll("[data-go]")) button.addEventListener("click", () => go(Number(button.dataset.go)));
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog.querySelector("[name=blend]").addEventListener("input", (event) => dialog.style.setProperty("--blend", event.target.value / 100));
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => {
  const card = cards[current];
  current = null;
  remember();
  document.querySelector(".card.current")?.classList.remove("current");
  card.classList.add("current");
  card.scrollIntoView({ block: "nearest" });
  fill(card);
  card.querySelector("button")?.focus({ preventScroll: true });
});
document.addEventListener("keydown", (event) => {
  if (!dialog.open || event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = {
    ArrowLeft: () => go(-1),
    ArrowRight: () => go(1),
    ArrowUp: () => facts.links.previous && location.assign(facts.links.previous + address()),
    ArrowDown: () => facts.links.next && location.assign(facts.links.next + address()),
  }[event.key];
  if (action) { event.preventDefault(); action(); }
});
restore();
document.addEventListener("DOMContentLoaded", () => {
  for (const card of main.children) { seen.unobserve(card); seen.observe(card); }
  if (current !== null) show(current);
});

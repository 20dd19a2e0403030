// Makes elements. Texts become text nodes, never markup; icons come from this table alone.
const find = (id) => document.getElementById(id);
const make = (tag, properties, ...children) => {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter((child) => child || child === 0));
  return node;
};

const ICONS = {
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M8.5 6v12M15.5 6v12",
  back: "M6 6v12M18 6l-8.5 6 8.5 6z",
  forward: "M18 6v12M6 6l8.5 6L6 18z",
  close: "M6 6l12 12M18 6L6 18",
  left: "M14.5 5.5L8 12l6.5 6.5",
  right: "M9.5 5.5L16 12l-6.5 6.5",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  open: "M14 4h6v6M20 4l-9 9M18 14v6H4V6h6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  keys: "M3 6.5h18v11H3zM7 10.5h.01M10.4 10.5h.01M13.8 10.5h.01M17 10.5h.01M8 14h8",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11",
  mute: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5",
  stack: "M8.5 8.5H20V20H8.5zM4.5 15.5v-11h11",
  screen: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  command: "M5 7l5 5-5 5M12.5 17.5H19",
  warning: "M12 4.5l8.5 15h-17zM12 10.5v4M12 17h.01",
  box: "M12 3.5l7.5 4.2v8.6L12 20.5l-7.5-4.2V7.7zM4.5 7.7L12 12l7.5-4.3M12 12v8.5",
  note: "M9 17.5V6.5l10-2v11M9 17.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM19 15.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z",
  search: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15 15l5 5",
  calendar: "M4 6h16v14H4zM4 10.5h16M8.5 3.5v4M15.5 3.5v4",
  lost: "M4 5h16v14H4zM4 16l5-5 4 4M4 4l16 16",
};
const SVG = "http://www.w3.org/2000/svg";
const icon = (name) => {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS(SVG, tag));
  svg.setAttribute("class", `icon ${name}`);
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
};
const setIcon = (button, name) => {
  if (button.dataset.icon === name && button.querySelector(".icon")) return;
  button.dataset.icon = name;
  button.querySelector(".icon")?.remove();
  button.prepend(icon(name));
};
// A button with an icon. `label` is what a screen reader says, and the tooltip.
const iconButton = (name, label, act, properties = {}) => {
  const button = make("button", { type: "button", className: "round", ariaLabel: label, title: label, ...properties });
  setIcon(button, name);
  button.addEventListener("click", act);
  return button;
};

let fading;
// Says what has happened, to eyes and to screen readers.
const say = (text) => {
  const toast = find("toast");
  // A modal dialog covers everything outside it.
  (document.querySelector("dialog[open]") ?? document.body).append(toast);
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => toast.classList.remove("shown"), 2600);
};

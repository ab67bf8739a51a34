// What anybody can use has none of these faults. Returns a line for each that the page has.

const faults = [];
const told = (element) => element.outerHTML.slice(0, 120);
const isShown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
const isUnseen = (element) => element.closest(".unseen, .skip");
const shown = (selector) => [...document.querySelectorAll(selector)].filter((one) => isShown(one) && !isUnseen(one));

if (!document.documentElement.lang) faults.push("the page has no language");
if (!document.title) faults.push("the page has no title");
const headings = document.querySelectorAll("h1").length;
if (headings !== 1) faults.push(`the page has ${headings} h1`);
for (const landmark of ["header", "main"]) {
  if (document.querySelectorAll(landmark).length !== 1) faults.push(`not one ${landmark}`);
}
if (!document.querySelector("[aria-live]")) faults.push("nothing is announced");

const { scrollWidth } = document.documentElement;
if (scrollWidth > innerWidth) faults.push(`it is ${scrollWidth} wide on a screen of ${innerWidth}`);

const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) faults.push(`two elements are ${id}`);

for (const input of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
  if (![...input.labels].some((label) => label.innerText.trim())) faults.push(`no label: ${told(input)}`);
}
for (const button of document.querySelectorAll("button, a")) {
  const name = button.getAttribute("aria-label") ?? button.textContent;
  if (!name.trim()) faults.push(`no name: ${told(button)}`);
}
for (const image of document.querySelectorAll("img:not([alt]), svg:not([aria-hidden], [role])")) {
  faults.push(`no text for ${told(image)}`);
}

// 44 pixels for a finger: a link within a sentence is as high as its line
for (const target of shown("button, a, input:not([type=hidden]), select, label.check")) {
  if (target.matches("p > a:not(.button), .check input")) continue;
  const { width, height } = target.getBoundingClientRect();
  if (height < 44 || width < 44) faults.push(`${Math.round(width)} × ${Math.round(height)}: ${told(target)}`);
}

// the contrast of WCAG 2, level AA: 4.5 for a text
const numbers = (color) => color.match(/[\d.]+/g).map(Number);
const luminance = (color) => {
  const [red, green, blue] = numbers(color)
    .slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const color = getComputedStyle(one).backgroundColor;
    const [, , , alpha = 1] = numbers(color);
    if (alpha === 1) return color;
  }
  return "rgb(255, 255, 255)";
};
for (const element of shown("body *")) {
  const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (!hasText) continue;
  const [dark, light] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
  const contrast = (light + 0.05) / (dark + 0.05);
  if (contrast < 4.5) faults.push(`a contrast of ${contrast.toFixed(2)}: ${told(element)}`);
}

return faults;

// Three planes of an array, as the server draws them. Axes are numbered x, y and z, and then those that are not shown.
const byId = (id) => document.getElementById(id);
const layers = await (await fetch("layers.json")).json();
// Which axes go to the right and down in each plane, and along which it lies.
const PLANES = [
  { right: 0, down: 1, along: 2 },
  { right: 0, down: 2, along: 1 },
  { right: 1, down: 2, along: 0 },
];
const own = { layer: layers[0], at: [], scale: 1, low: NaN, high: NaN };

const size = (axis) => own.layer.end[axis] - own.layer.first[axis];
const clamped = (axis, at) => Math.min(Math.max(Math.round(at), own.layer.first[axis]), own.layer.end[axis] - 1);
const step = (axis) => own.layer.step[axis];
const finest = () => Math.min(...[0, 1, 2].map(step));
// Those of axes that the array has.
const planes = () => PLANES.filter(({ right, down }) => own.layer.order.includes(right) && own.layer.order.includes(down));

// The box of a panel: elements along its two axes, around where we are.
function boxOf(panel) {
  const { clientWidth, clientHeight } = panel.figure;
  const around = (axis, pixels) => {
    const length = Math.max(1, Math.round((pixels * own.scale * finest()) / step(axis)));
    const start = Math.round(own.at[axis] - length / 2);
    return [start, start + length];
  };
  return { right: around(panel.right, clientWidth), down: around(panel.down, clientHeight) };
}

function pathOf(panel) {
  const box = boxOf(panel);
  const ranges = own.at.map((at, axis) => {
    if (axis === panel.right) return box.right;
    if (axis === panel.down) return box.down;
    return [at, at + 1];
  });
  const pixels = [panel.figure.clientHeight, panel.figure.clientWidth].map((length) => Math.max(1, Math.min(2048, length)));
  const contrast = Number.isFinite(own.low) && Number.isFinite(own.high) && own.low < own.high;
  const over = byId("overlay").value;
  return [
    `arrays/${own.layer.number}/picture`,
    `${panel.down},${panel.right}`,
    ranges.map(([start, end]) => `${start}-${end}`).join("_"),
    pixels.join(","),
    contrast ? `${own.low},${own.high}`.replaceAll("+", "") : "-",
    over === "" ? "-" : `${over},${byId("opacity").value}`,
  ].join("/");
}

function round(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return power * ([5, 2, 1].find((times) => times * power <= most) ?? 1);
}

function length(meters) {
  const [unit, name] = [[1, "m"], [1e-3, "mm"], [1e-6, "µm"], [0, "nm"]].find(([unit]) => meters >= unit);
  return `${+(meters / (unit || 1e-9)).toPrecision(3)} ${name}`;
}

function drawBar(panel) {
  const { unit } = own.layer;
  const perPixel = own.scale * finest();
  const long = round(panel.figure.clientWidth * perPixel * 0.3);
  panel.bar.style.width = `${long / perPixel}px`;
  panel.bar.textContent = unit[panel.right] === "m" ? length(long) : `${long} ${unit[panel.right] || "elements"}`;
}

function bytes(count) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(count, 1)) / 10), units.length - 1);
  return `${+(count / 1024 ** power).toPrecision(3)} ${units[power]}`;
}

// What the server does not compute unasked, since it would read too much.
const needs = () => Math.max(0, ...panels.map((panel) => panel.needs || 0));

function showAsk() {
  byId("ask").hidden = needs() === 0;
  byId("needs").textContent = `To compute what is shown of ${own.layer.label}, ${bytes(needs())} have to be read.`;
}

async function allow() {
  const answer = await fetch(`arrays/${own.layer.number}/allow/${needs()}`);
  if (!answer.ok) {
    byId("note").textContent = await answer.text();
    return;
  }
  for (const panel of panels.filter((panel) => panel.needs)) panel.drawn = undefined;
  update();
}

// One picture at a time of each panel: the latest that is asked for.
async function draw(panel) {
  panel.wanted = pathOf(panel);
  if (panel.isBusy) return;
  panel.isBusy = true;
  try {
    while (panel.wanted !== panel.drawn) {
      const path = panel.wanted;
      const answer = await fetch(path);
      panel.needs = Number(answer.headers.get("bigarrays-needs"));
      if (panel.needs) {
        panel.image.removeAttribute("src");
        byId("note").textContent = "";
      } else if (answer.ok) {
        const url = URL.createObjectURL(await answer.blob());
        URL.revokeObjectURL(panel.image.src);
        panel.image.src = url;
        byId("note").textContent = "";
      } else {
        byId("note").textContent = await answer.text();
      }
      panel.drawn = path;
      showAsk();
    }
  } finally {
    panel.isBusy = false;
  }
}

function cross(panel) {
  const box = boxOf(panel);
  const part = (axis, [start, end]) => `${((own.at[axis] + 0.5 - start) / (end - start)) * 100}%`;
  Object.assign(panel.vertical.style, { left: part(panel.right, box.right), top: 0, width: "1px", height: "100%" });
  Object.assign(panel.horizontal.style, { top: part(panel.down, box.down), left: 0, height: "1px", width: "100%" });
}

function code() {
  const [xy] = panels;
  const box = boxOf(xy);
  const clip = (axis, [start, end]) => [Math.max(start, own.layer.first[axis]), Math.min(end, own.layer.end[axis])];
  const ranges = own.at.map((at, axis) => {
    if (axis === xy.right) return clip(axis, box.right);
    if (axis === xy.down) return clip(axis, box.down);
    return [at, at + 1];
  });
  // In the order of the array.
  const all = own.layer.order.map((axis) => (axis < 0 ? ":" : ranges[axis].join(":")));
  const url = own.layer.url ?? own.layer.label;
  byId("python").textContent = own.layer.url
    ? `bigarrays.open(${JSON.stringify(url)})[${all.join(", ")}]`
    : `x[${all.join(", ")}]  # ${own.layer.label}`;
  const isWhole = !all.includes(":");
  byId("shell").textContent = own.layer.url && isWhole ? `bigarrays export '${url}' cutout.npy --box=${all.join(",")}` : "";
  byId("shell").hidden = byId("shell").textContent === "";
}

function update() {
  for (const panel of panels) {
    draw(panel);
    cross(panel);
    drawBar(panel);
    panel.caption.textContent = `${own.layer.dimensions[panel.along]} = ${own.at[panel.along]}`;
  }
  for (const { axis, input, output } of sliders) {
    input.value = own.at[axis];
    output.textContent = own.at[axis];
  }
  code();
}

function go(axis, at) {
  own.at[axis] = clamped(axis, at);
}

const placeOf = (panel, event) => {
  const { left, top, width, height } = panel.figure.getBoundingClientRect();
  const box = boxOf(panel);
  const along = ([start, end], part) => Math.floor(start + (end - start) * part);
  return { right: along(box.right, (event.clientX - left) / width), down: along(box.down, (event.clientY - top) / height) };
};

let asked = 0;
async function showValue(panel, event) {
  const place = placeOf(panel, event);
  const at = [...own.at];
  at[panel.right] = place.right;
  at[panel.down] = place.down;
  const where = own.layer.dimensions.map((name, axis) => `${name}=${at[axis]}`).join(" ");
  const number = ++asked;
  const isInside = at.every((at, axis) => at >= own.layer.first[axis] && at < own.layer.end[axis]);
  const answer = isInside ? await fetch(`arrays/${own.layer.number}/value/${at.join(",")}`) : undefined;
  const text = answer?.ok ? (await answer.json()).join(", ") : "";
  if (number === asked) byId("value").textContent = `${where}  ${text}`;
}

function zoom(times) {
  const most = Math.max(...[0, 1, 2].map((axis) => (size(axis) * step(axis)) / finest())) / 50;
  own.scale = Math.min(Math.max(own.scale * times, 1 / 64), Math.max(most, 1));
}

function listen(panel) {
  const { figure } = panel;
  let from;
  let last = 0;
  figure.addEventListener("pointerdown", (event) => {
    figure.setPointerCapture(event.pointerId);
    from = { x: event.clientX, y: event.clientY, at: [...own.at], moved: false };
  });
  figure.addEventListener("pointermove", (event) => {
    if (from) {
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      from.moved ||= Math.abs(x) + Math.abs(y) > 3;
      const by = (axis, pixels) => go(axis, from.at[axis] - (pixels * own.scale * finest()) / step(axis));
      if (from.moved) {
        by(panel.right, x);
        by(panel.down, y);
        update();
      }
    } else if (event.timeStamp - last > 60) {
      last = event.timeStamp;
      showValue(panel, event);
    }
  });
  figure.addEventListener("pointerup", (event) => {
    if (from && !from.moved) {
      const place = placeOf(panel, event);
      go(panel.right, place.right);
      go(panel.down, place.down);
      update();
    }
    from = undefined;
  });
  figure.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(1.2 ** Math.sign(event.deltaY));
      update();
    },
    { passive: false },
  );
  figure.addEventListener("keydown", (event) => {
    const by = (axis, pixels) => go(axis, own.at[axis] + Math.sign(pixels) * Math.max(1, Math.abs(pixels * own.scale * finest()) / step(axis)));
    const keys = {
      ArrowLeft: () => by(panel.right, -20),
      ArrowRight: () => by(panel.right, 20),
      ArrowUp: () => by(panel.down, -20),
      ArrowDown: () => by(panel.down, 20),
      PageUp: () => go(panel.along, own.at[panel.along] + 1),
      PageDown: () => go(panel.along, own.at[panel.along] - 1),
      "+": () => zoom(1 / 1.2),
      "=": () => zoom(1 / 1.2),
      "-": () => zoom(1.2),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
    update();
  });
}

let panels = [];
let sliders = [];

function makePanels() {
  byId("panels").replaceChildren();
  panels = planes().map((plane) => {
    const figure = document.createElement("figure");
    figure.tabIndex = 0;
    figure.setAttribute("role", "group");
    const names = [plane.right, plane.down].map((axis) => own.layer.dimensions[axis]);
    figure.setAttribute("aria-label", `Plane of ${names.join(" and ")}`);
    const [image, vertical, horizontal, caption, bar] = ["img", "i", "i", "figcaption", "div"].map((name) => document.createElement(name));
    image.alt = `Plane of ${names.join(" and ")}`;
    image.draggable = false;
    bar.className = "bar";
    figure.append(image, vertical, horizontal, caption, bar);
    byId("panels").append(figure);
    const panel = { ...plane, figure, image, vertical, horizontal, caption, bar };
    listen(panel);
    return panel;
  });
}

function makeSliders() {
  byId("sliders").replaceChildren();
  const axes = own.layer.dimensions.map((_, axis) => axis).filter((axis) => size(axis) > 1);
  sliders = axes.map((axis) => {
    const [label, input, output] = ["label", "input", "output"].map((name) => document.createElement(name));
    Object.assign(input, { type: "range", min: own.layer.first[axis], max: own.layer.end[axis] - 1, step: 1 });
    input.addEventListener("input", () => {
      go(axis, Number(input.value));
      update();
    });
    label.append(`${own.layer.dimensions[axis]} `, input, " ", output);
    byId("sliders").append(label);
    return { axis, input, output };
  });
}

function choose(number) {
  own.layer = layers[number];
  const { first, end, contrast } = own.layer;
  own.at = first.map((at, axis) => (axis < 3 ? Math.floor((at + end[axis]) / 2) : at));
  [own.low, own.high] = contrast.length === 1 && !own.layer.labels ? contrast[0] : [NaN, NaN];
  byId("low").value = Number.isFinite(own.low) ? own.low : "";
  byId("high").value = Number.isFinite(own.high) ? own.high : "";
  makePanels();
  makeSliders();
  showAsk();
  if (panels.length === 0) {
    byId("note").textContent = "An array of one axis has no planes.";
    return;
  }
  own.scale = Math.max(...panels.map((panel) => Math.max(
    (size(panel.right) * step(panel.right)) / finest() / panel.figure.clientWidth,
    (size(panel.down) * step(panel.down)) / finest() / panel.figure.clientHeight,
  )));
  update();
}

for (const layer of layers) byId("layer").append(new Option(layer.label, layer.number));
byId("overlay").append(new Option("none", ""));
for (const layer of layers.filter((layer) => layer.labels && layer.url)) byId("overlay").append(new Option(layer.label, layer.number));
byId("layer").addEventListener("change", () => choose(Number(byId("layer").value)));
byId("overlay").addEventListener("change", update);
byId("opacity").addEventListener("input", update);
for (const [id, name] of [["low", "low"], ["high", "high"]]) {
  byId(id).addEventListener("change", () => {
    own[name] = byId(id).value === "" ? NaN : Number(byId(id).value);
    update();
  });
}
byId("allow").addEventListener("click", allow);
window.addEventListener("resize", update);
byId("neuroglancer").hidden = !(await fetch("index.html", { method: "HEAD" })).ok;
choose(0);
window.own = own;
window.panels = () => panels;

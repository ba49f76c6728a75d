// The values of the arrays themselves under the pointer, of layers that Neuroglancer does not show as they are.

const PAUSE = 60; // Milliseconds between one value that is asked for and the next.

function box() {
  const made = document.createElement("div");
  made.id = "bigarrays-values";
  made.setAttribute("role", "status");
  made.style.cssText =
    "position:fixed;bottom:4px;left:50%;transform:translateX(-50%);padding:2px 8px;background:#000c;color:#fff;" +
    "font:13px monospace;pointer-events:none;white-space:pre;z-index:90";
  made.hidden = true;
  document.body.appendChild(made);
  return made;
}

// Where a layer has what is at a position of the viewer; undefined where it has nothing.
function place(layer, names, position) {
  const global = layer.dimensions.map((name) => position[names.indexOf(name)]);
  const at = global.map((place, axis) => {
    const row = layer.inverse?.[axis];
    const own = row ? row[0] * global[0] + row[1] * global[1] + row[2] * global[2] + row[3] : place - layer.offset[axis];
    return Math.floor(own);
  });
  const isIn = at.every((at, axis) => at >= layer.first[axis] && at < layer.end[axis]);
  return isIn ? at.join(",") : undefined;
}

export async function showValues(viewer) {
  const answer = await fetch("layers.json");
  const layers = (answer.ok ? await answer.json() : []).filter((layer) => layer.differs);
  if (layers.length === 0) return;
  const shown = box();
  let asked = "";
  let running = false;

  async function ask() {
    const { active, position } = viewer.mouseState;
    const names = viewer.coordinateSpace.value.names;
    const places = active && position ? layers.map((layer) => place(layer, names, position)) : [];
    const wanted = places.join(";");
    if (wanted === asked) return;
    asked = wanted;
    const text = async (layer, at) => {
      const value = await fetch(`arrays/${layer.number}/value/${at}`);
      return value.ok ? `${layer.label}: ${(await value.json()).join(", ")}` : undefined;
    };
    const texts = await Promise.all(places.map((at, k) => (at === undefined ? undefined : text(layers[k], at))));
    const known = texts.filter((text) => text !== undefined);
    shown.textContent = known.join("   ");
    shown.hidden = known.length === 0;
  }

  async function changed() {
    if (running) return;
    running = true;
    try {
      for (let before; before !== asked; ) {
        before = asked;
        await new Promise((resume) => setTimeout(resume, PAUSE));
        await ask();
      }
    } finally {
      running = false;
    }
  }

  viewer.mouseState.changed.add(changed);
}

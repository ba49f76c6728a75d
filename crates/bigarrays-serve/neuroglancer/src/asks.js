// Layers of which the server computes no tile unasked, since it would read too much: how much that is, and a button that lets it.

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"];

export function size(bytes) {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  return `${+(bytes / 1024 ** power).toPrecision(3)} ${UNITS[power]}`;
}

function row(ask) {
  const made = document.createElement("p");
  made.style.margin = "4px 0";
  const button = document.createElement("button");
  button.textContent = "Read it anyway";
  button.style.marginLeft = "8px";
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await fetch(`arrays/${ask.number}/allow/${ask.bytes}`);
    if (answer.ok) window.location.reload();
    else button.disabled = false;
  });
  made.append(`To compute a tile of ${ask.label}, ${size(ask.bytes)} are read, more than ${size(ask.limit)}.`, button);
  return made;
}

export async function showAsks() {
  const answer = await fetch("costs.json");
  const asks = (answer.ok ? await answer.json() : []).filter((ask) => ask && ask.bytes > ask.limit);
  if (asks.length === 0) return;
  const box = document.createElement("div");
  box.id = "bigarrays-asks";
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Layers that take much");
  box.style.cssText =
    "position:fixed;top:48px;left:50%;transform:translateX(-50%);padding:6px 14px;background:#000e;color:#fff;" +
    "font:14px sans-serif;border:1px solid #888;z-index:95";
  box.append(...asks.map(row));
  document.body.appendChild(box);
}

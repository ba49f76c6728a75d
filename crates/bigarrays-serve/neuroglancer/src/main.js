// The page: Neuroglancer, beginning with the state that the server has made for its arrays.
import "neuroglancer";
import { setupDefaultViewer } from "neuroglancer/unstable/ui/default_viewer_setup.js";
import { showAsks } from "./asks.js";
import { showValues } from "./values.js";

// Wherever the page lies, behind whatever proxy, the arrays lie below it.
const here = new URL(".", window.location.href).href;

async function begin() {
  if (window.location.hash.length < 3) {
    const answer = await fetch("state.json");
    if (answer.ok) {
      const state = (await answer.text()).replaceAll("{here}/", here);
      window.history.replaceState(null, "", "#!" + encodeURIComponent(state));
    }
  }
  window.viewer = setupDefaultViewer();
  await Promise.all([showValues(window.viewer), showAsks()]);
}

begin();

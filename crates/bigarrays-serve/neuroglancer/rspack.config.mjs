// One page with Neuroglancer, which reads precomputed layers over HTTP alone, in `dist`.
import { fileURLToPath } from "node:url";
import { HtmlRspackPlugin } from "@rspack/core";

const own = (name) => fileURLToPath(new URL(name, import.meta.url));
// Icons that Neuroglancer takes from a repository, and that the package of the same name does not have.
const icons = ["code-alt", "controls-alt", "layers"];

export default {
  mode: "production",
  devtool: false,
  target: ["web", "es2022"],
  entry: { main: "./src/main.js" },
  output: { path: own("dist"), filename: "[name].js", chunkFilename: "[name].js", assetModuleFilename: "[name][ext]", clean: true },
  experiments: { css: true },
  performance: { hints: false },
  resolve: {
    conditionNames: [
      "neuroglancer/datasource:none_by_default",
      "neuroglancer/datasource/precomputed:enabled",
      "neuroglancer/kvstore:none_by_default",
      "neuroglancer/kvstore/http:enabled",
      "...",
    ],
    alias: Object.fromEntries(icons.map((name) => [`ikonate/icons/${name}.svg`, own(`icons/${name}.svg`)])),
  },
  module: {
    rules: [
      {
        test: /neuroglancer\/lib\/(annotation\/index|sliceview\/compressed_segmentation\/encode_common)\.js$/,
        use: own("without-eval.mjs"),
      },
      { test: /\.wasm$/, type: "asset/resource", generator: { filename: "[name][ext]" } },
      { resourceQuery: /raw/, type: "asset/source" },
      { test: /(bossauth|google_oauth2_redirect)\.html$/, type: "asset/resource", generator: { filename: "[name][ext]" } },
    ],
  },
  plugins: [new HtmlRspackPlugin({ template: "./src/index.html", title: "bigarrays view" })],
};

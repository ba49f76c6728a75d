// Leaves of each file of `dist` what a server sends: its gzip. Beside them, the notices of all packages that are in them.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

// The packages that Neuroglancer, as it is built here, has within it.
const packages = ["neuroglancer", "codemirror", "core-js", "crc-32", "gl-matrix", "ikonate", "lodash-es", "msgpackr", "valibot"];

function notice(name) {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const names = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  const texts = names.map((file) => read(`${folder}/${file}`)).filter(Boolean);
  return `${name} ${version}, ${license}\n\n${texts.join("\n\n")}`;
}

const line = `\n\n${"=".repeat(80)}\n\n`;
writeFileSync("dist/notices.txt", packages.map(notice).join(line));

// Decoders of encodings and meshes that the server sends none of; the page asks for them when it meets one.
const unused = ["jxl_decoder.wasm", "compresso.wasm", "neuroglancer_draco.wasm"];
unused.forEach((name) => rmSync(`dist/${name}`));

for (const name of readdirSync("dist")) {
  writeFileSync(`dist/${name}.gz`, gzipSync(readFileSync(`dist/${name}`), { level: 9 }));
  rmSync(`dist/${name}`);
}

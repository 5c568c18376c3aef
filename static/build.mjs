// Owns the bundled files under dist/: two style sheets, two scripts, one icon sprite.
// The same sources give the same bytes; a file over its budget or an icon that is not there fails the build.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");

// What a browser may have to load, gzipped, in KiB.
const budgets = { "app.css": 14, "console.css": 4, "app.js": 20, "console.js": 150, "icons.svg": 8 };

async function bundle() {
  await build({
    absWorkingDir: root,
    entryPoints: ["css/app.css", "css/console.css", "js/app.js", "js/console.js"],
    entryNames: "[name]",
    outdir: dist,
    bundle: true,
    minify: true,
    charset: "utf8",
    format: "iife",
    target: "es2020",
    legalComments: "eof",
    logLevel: "warning",
  });
}

// The drawing inside one icon file. Only plain shapes pass: whatever else a new version brings has to be looked at first.
function shapes(name, svg) {
  const found = /<svg\b([^>]*)>(.*)<\/svg>\s*$/s.exec(svg);
  if (!found || !found[1].includes('viewBox="0 0 24 24"')) throw new Error(`icon ${name}: not a 24x24 drawing`);
  const drawing = found[2].trim().replace(/\s+/g, " ").replace(/> </g, "><").replace(/ \/>/g, "/>");
  if (!/^(<(path|rect|circle|ellipse|line|polyline|polygon) [^<>]*\/>)+$/.test(drawing) || / on\w+=/.test(drawing))
    throw new Error(`icon ${name}: something other than plain shapes`);
  return drawing;
}

// One sprite, so that a page asks once for all its icons. Colour and stroke are inherited from `.icon` (css/base.css).
async function sprite() {
  const folder = dirname(createRequire(import.meta.url).resolve("lucide-static/package.json"));
  const { version } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const names = (await readFile(join(root, "icons.txt"), "utf8")).split("\n").map((line) => line.trim()).filter(Boolean);
  if (new Set(names).size !== names.length) throw new Error("icons.txt names an icon twice");
  const symbols = await Promise.all(names.sort().map(async (name) => {
    const svg = await readFile(join(folder, "icons", `${name}.svg`), "utf8");
    return `<symbol id="i-${name}" viewBox="0 0 24 24">${shapes(name, svg)}</symbol>\n`;
  }));
  const licence = `<!-- @license lucide-static v${version} - ISC -->\n`;
  await writeFile(join(dist, "icons.svg"), `${licence}<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("")}</svg>\n`);
}

async function weigh() {
  const heavy = [];
  for (const [name, limit] of Object.entries(budgets)) {
    const size = gzipSync(await readFile(join(dist, name)), { level: 9 }).length / 1024;
    console.log(`${name.padEnd(12)} ${size.toFixed(1).padStart(6)} of ${limit} KiB gzipped`);
    if (size > limit) heavy.push(name);
  }
  if (heavy.length > 0) throw new Error(`over budget: ${heavy.join(", ")}`);
}

try {
  await rm(dist, { recursive: true, force: true });
  await mkdir(dist, { recursive: true });
  await Promise.all([bundle(), sprite()]);
  await weigh();
} catch (error) {
  console.error(`static/build.mjs: ${error.message}`);
  process.exitCode = 1;
}

// The same program for WebAssembly: node run.mjs MODULE.wasm SEED...
import { readFile } from "node:fs/promises";
import process from "node:process";

const [path, ...seeds] = process.argv.slice(2);
const { instance } = await WebAssembly.instantiate(await readFile(path), {});
for (const seed of seeds) {
  const hash = BigInt.asUintN(64, instance.exports.scene_hash(BigInt(seed)));
  console.log(hash.toString(16).padStart(16, "0"));
}

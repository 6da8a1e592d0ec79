// Loads a package into the engine: from the cache where it is there, else from the network.

import { Store, download } from "./download.js";
import { aborted, fail } from "./failure.js";

const MANIFEST_LIMIT = 16 << 20;
const TOKENIZER_LIMIT = 64 << 20;
const PROGRESS_EVERY_MS = 100;

/**
 * @param starting promise of the engine
 * @param choose takes the manifest's bytes, returns a promise of the backend to load it to
 * @param address of the package's folder or of its refvlm.json
 * @param post takes the protocol's `progress` without its type
 * @returns what the engine says it loaded, and whether all shards were in the cache
 */
export async function loadPackage(starting, choose, address, signal, post) {
  const base = folder(address);
  const store = await Store.open(base.href);
  const manifest = manifestOf(base, store, signal);
  // Both run at once; whichever fails first is what is told.
  const [engine, bytes] = await Promise.all([starting, manifest]);
  const backend = await choose(bytes);
  if (signal.aborted) throw aborted(signal);
  const wanted = JSON.parse(engine.begin(bytes, backend));
  try {
    const total = wanted.reduce((sum, shard) => sum + shard.bytes, 0);
    const meter = new Meter(total, post);
    const source = { base, store, signal };
    const vocabulary = await vocabularyOf(bytes);
    await load(source, vocabulary, (bytes) => engine.tokenizer(bytes));
    let cached = true;
    for (const shard of wanted) {
      const take = (bytes) => {
        meter.of(bytes.byteLength);
        meter.tell("verify", true);
        engine.shard(shard.file, bytes);
        meter.add(bytes.byteLength);
      };
      const file = { ...shard, key: shard.sha256 };
      cached = (await load(source, file, take, (n) => meter.of(n))) && cached;
    }
    meter.tell("build", true);
    if (signal.aborted) throw aborted(signal);
    const loaded = JSON.parse(engine.finish());
    await store.put("refvlm.json", bytes);
    await store.keepOnly(["refvlm.json", vocabulary.key, ...wanted.map((shard) => shard.sha256)]);
    return { ...loaded, backend, cached };
  } finally {
    engine.cancel();
  }
}

function folder(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    fail("bad_request", `${address} is not a URL`, "give the address of the package's folder");
  }
  if (!["http:", "https:"].includes(url.protocol)) {
    fail("bad_request", `${url.protocol} is no address of a folder`, "give an http or https address");
  }
  url.hash = "";
  url.search = "";
  url.pathname = url.pathname.replace(/refvlm\.json$/, "").replace(/\/?$/, "/");
  return url;
}

/** The manifest says what is current, so the network is asked first; without one the kept copy does. */
async function manifestOf(base, store, signal) {
  const kept = await store.get("refvlm.json");
  if (kept && !navigator.onLine) return kept;
  const url = new URL("refvlm.json", base).href;
  return download(url, { limit: MANIFEST_LIMIT, signal, cache: "no-cache" }).catch((error) => {
    if (kept && error.kind === "offline") return kept;
    throw error;
  });
}

/** The manifest's entry for the vocabulary; packages of before it was listed have none. */
async function vocabularyOf(manifest) {
  const { tokenizer } = JSON.parse(new TextDecoder().decode(manifest)); // the engine has checked it
  if (tokenizer) return { ...tokenizer, key: tokenizer.sha256 };
  return { file: "tokenizer.json", key: `tokenizer-${await digest(manifest)}` };
}

/**
 * Gives the engine one file: `take` checks length and hash, and throws what the engine throws.
 * Returns whether the cache had it.
 */
async function load({ base, store, signal }, { file, bytes: expected, key }, take, onBytes) {
  const kept = await store.get(key);
  if (kept && sound(take, kept)) return true;
  if (kept) await store.delete(key);
  const url = new URL(file, base).href;
  // What is kept is kept by its hash, so the browser's own cache would only hold it twice.
  const options = { expected, limit: TOKENIZER_LIMIT, signal, cache: "no-store", onBytes };
  let bytes = await download(url, options);
  if (!sound(take, bytes)) {
    // A bit may have flipped on the way; if it did so on the server, the second time tells.
    bytes = await download(url, { ...options, cache: "reload" });
    take(bytes);
  }
  await store.put(key, bytes);
  return false;
}

/** Whether the engine took the bytes; false where they are damaged. */
function sound(take, bytes) {
  try {
    take(bytes);
  } catch (thrown) {
    if (typeof thrown === "string" && /"(hash_mismatch|truncated)"/.test(thrown)) return false;
    throw thrown;
  }
  return true;
}

async function digest(bytes) {
  // Plain-http pages have no crypto.subtle, and no Cache API either: any key will do there.
  if (!globalThis.crypto?.subtle) return "none";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Bytes so far, over all shards, and when the last one will be here. */
class Meter {
  #post;
  #total;
  #done = 0;
  #current = 0;
  #start = performance.now();
  #told = -Infinity;

  constructor(total, post) {
    this.#total = total;
    this.#post = post;
  }

  of(bytes) {
    this.#current = bytes;
    this.tell("download");
  }

  add(bytes) {
    this.#done += bytes;
    this.#current = 0;
  }

  tell(phase, now = false) {
    const time = performance.now();
    if (!now && time - this.#told < PROGRESS_EVERY_MS) return;
    this.#told = time;
    const bytes = this.#done + this.#current;
    const seconds = (time - this.#start) / 1000;
    const left = (this.#total - bytes) * (seconds / bytes);
    this.#post({ phase, bytes, total: this.#total, eta_s: bytes > 0 && seconds > 0.2 ? left : null });
  }
}

// Fetching files of a package: counted, resumed after a broken connection, kept by hash.

import { aborted, fail } from "./failure.js";

/** Attempts in a row that bring no new byte before we give up. */
const IDLE_ATTEMPTS = 5;
/** A connection that is silent for so long is taken for dead. */
const SILENCE_MS = 20_000;
const FIRST_PAUSE_MS = 250;

/**
 * The bytes of `url`. Where `expected` is given, the file must have exactly so many; otherwise at
 * most `limit`. `onBytes(received)` is called as they come and before each new attempt.
 */
export async function download(url, { expected, limit, signal, cache, onBytes = () => {} }) {
  const name = new URL(url).pathname.split("/").pop();
  const wrongLength = (found) =>
    fail("truncated", `${name}: ${found} bytes, refvlm.json says ${expected}`, "upload all files of the package again");
  let chunks = [];
  let received = 0;
  let idle = 0;
  let wasWhole = false;
  for (;;) {
    onBytes(received);
    const before = received;
    try {
      const body = await attempt(url, received, signal, cache);
      if (body.status === 416 || (body.status === 206 && (body.from ?? received) !== received)) {
        return wrongLength(received);
      }
      if (body.status >= 400) refuse(name, body.status);
      // A host of single-page sites answers so for every file that it does not have.
      if (body.page) refuse(name, 404);
      if (body.status !== 206) {
        chunks = [];
        received = 0;
      }
      for await (const chunk of body.chunks) {
        chunks.push(chunk);
        received += chunk.byteLength;
        if (received > (expected ?? limit)) {
          return expected === undefined
            ? fail("bad_package", `${name}: more than ${limit} bytes`, "check the address of the package")
            : wrongLength(received);
        }
        onBytes(received);
      }
      if (expected === undefined || received === expected) return joined(chunks, received);
      // The body ended as if it were whole: once may be a proxy's fault, twice is the file.
      if (wasWhole || before === received) return wrongLength(received);
      wasWhole = true;
    } catch (error) {
      if (signal?.aborted) throw aborted(signal);
      if (error?.kind) throw error;
      idle = received > before ? 0 : idle + 1;
      if (idle >= IDLE_ATTEMPTS) {
        const known = error.message ? ` (${error.message})` : "";
        fail("offline", `${name}: the server cannot be reached${known}`, "check the connection and try again; what was loaded is kept");
      }
      await pause(FIRST_PAUSE_MS * 2 ** idle, signal);
    }
  }
}

/** Opens the body from an offset; broken connections throw while its chunks are read. */
async function attempt(url, from, signal, cache) {
  // Ends the request when it is silent, or with the caller's signal; older browsers have no
  // AbortSignal.any for that.
  if (signal?.aborted) throw aborted(signal);
  const silence = new AbortController();
  const stop = () => silence.abort();
  signal?.addEventListener("abort", stop, { once: true });
  let timer = setTimeout(stop, SILENCE_MS);
  const headers = from > 0 ? { Range: `bytes=${from}-` } : {};
  let response;
  try {
    response = await fetch(url, { headers, cache, signal: silence.signal });
  } catch (error) {
    signal?.removeEventListener("abort", stop);
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  async function* chunks() {
    const reader = response.body.getReader();
    try {
      for (;;) {
        timer = setTimeout(stop, SILENCE_MS);
        const { done, value } = await reader.read().finally(() => clearTimeout(timer));
        if (done) return;
        yield value;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      reader.cancel().catch(() => {});
    }
  }
  // Another origin may hide the header; what is joined wrongly has a wrong hash.
  const page = /^text\/html/i.test(response.headers.get("content-type") ?? "");
  return { status: response.status, page, from: range ? Number(range[1]) : null, chunks: chunks() };
}

function refuse(name, status) {
  if (status === 404 || status === 410) {
    fail("not_found", `${name}: the server has no such file (${status})`, "check the address of the package");
  }
  if (status === 408 || status === 429 || status >= 500) throw new Error(`status ${status}`);
  fail("server", `${name}: the server answered ${status}`, "check the address and its permissions");
}

function joined(chunks, length) {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(aborted(signal))), { once: true });
  });
}

/** Files of one package in the browser's cache. Without one, or when it is full, nothing is kept. */
export class Store {
  #cache;
  #base;

  constructor(cache, base) {
    this.#cache = cache;
    this.#base = base;
  }

  static async open(base) {
    try {
      return new Store(await caches.open(`refvlm ${base}`), base);
    } catch {
      return new Store(null, base);
    }
  }

  #key(name) {
    return new URL(`refvlm-cache/${name}`, this.#base).href;
  }

  async get(name) {
    const kept = await this.#cache?.match(this.#key(name)).catch(() => null);
    return kept ? new Uint8Array(await kept.arrayBuffer()) : null;
  }

  async put(name, bytes) {
    // A full quota does not matter: the bytes are already in memory.
    await this.#cache?.put(this.#key(name), new Response(bytes)).catch(() => {});
  }

  async delete(name) {
    await this.#cache?.delete(this.#key(name)).catch(() => {});
  }

  /** Drops what an older version of the package left. */
  async keepOnly(names) {
    if (!this.#cache) return;
    const keys = new Set(names.map((name) => this.#key(name)));
    for (const request of await this.#cache.keys().catch(() => [])) {
      if (!keys.has(request.url)) await this.#cache.delete(request).catch(() => {});
    }
  }
}

// REF-VLM for a web page: point at things in a picture, ask, and get words tied to boxes, masks,
// joints and depth. Everything is computed in a worker of the page; nothing is sent anywhere.

import { RefVlmError, aborted, fail } from "./failure.js";
import { MAX_PIXELS, pixelsOf } from "./picture.js";

export { RefVlmError };

/** A worker that says nothing for so long, although it was asked something, is taken for dead. */
const SILENCE_MS = 120_000;

/** A model that is loaded. Its types and units are described in refvlm.d.ts. */
export class RefVlm {
  #worker = null;
  #options;
  #reviving = null;
  /** What was loaded and where it computes. */
  info = null;

  constructor(url, options) {
    this.#options = { backend: options.backend ?? "auto", url: new URL(url, document.baseURI).href };
  }

  static async load(url, options = {}) {
    const model = new RefVlm(url, options);
    await model.#load(options);
    return model;
  }

  async #load({ onProgress, signal } = {}) {
    const engine = new EngineWorker();
    try {
      const request = { type: "load", ...this.#options };
      for await (const { reply } of engine.send(request, { signal })) {
        if (reply.type === "progress") onProgress?.(withoutType(reply));
        else this.info = withoutType(reply);
      }
    } catch (error) {
      engine.end();
      throw error;
    }
    this.#worker = engine;
  }

  /** The worker; a new one, loaded from the cache, where the last one died. */
  async #alive(signal) {
    if (this.#worker === null) fail("not_loaded", "The model was unloaded", "load it again");
    if (this.#worker.dead) {
      // A card that was lost or is too small would be so again: the rest is computed without it.
      const { kind } = this.#worker.dead;
      const card = this.info?.backend === "webgpu" && ["device_lost", "out_of_memory"].includes(kind);
      if (card && this.#options.backend === "auto") this.#options.backend = "cpu";
      this.#reviving ??= this.#load({ signal }).finally(() => (this.#reviving = null));
      await this.#reviving;
    }
    return this.#worker;
  }

  async setImage(source, { maxPixels = MAX_PIXELS } = {}) {
    const { width, height, rgba } = await pixelsOf(source, maxPixels);
    const engine = await this.#alive();
    const { reply } = await engine.only({ type: "set_image", width, height }, { rgba });
    return withoutType(reply);
  }

  async *ask({ signal, task = "vqa", text = "", ...rest }) {
    const engine = await this.#alive(signal);
    const request = { type: "ask", ask: { task, text, ...rest } };
    for await (const { reply } of engine.send(request, { signal })) yield reply.event;
  }

  async generate(seed, { side = 384 } = {}) {
    const engine = await this.#alive();
    const { reply, rgba, depth } = await engine.only({ type: "generate", seed, side });
    const { width, height } = reply;
    const image = new ImageData(new Uint8ClampedArray(rgba), width, height);
    return { ...withoutType(reply), image, depth: new Float32Array(depth) };
  }

  async unload() {
    this.#worker?.end();
    this.#worker = null;
    this.info = null;
  }
}

/** The worker behind the protocol: requests with ids, and for each a stream of replies. */
class EngineWorker {
  #worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  #calls = new Map();
  #next = 1;
  #timer = null;
  /** Why it can be used no longer. */
  dead = null;

  constructor() {
    this.#worker.onmessage = ({ data }) => this.#take(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const message = event.message ? `The engine stopped: ${event.message}` : "The worker cannot be started";
      this.end({ kind: "crashed", message, remedy: "load the model again" });
    };
  }

  /** All replies to a request. Leaving the loop early, or the signal, aborts it. */
  async *send(request, { signal, rgba } = {}) {
    if (this.dead) throw new RefVlmError(this.dead);
    if (signal?.aborted) throw aborted(signal);
    const id = this.#next++;
    const call = { waiting: [], wake: null };
    this.#calls.set(id, call);
    this.#watch();
    const abort = () => {
      this.#worker.postMessage({ id: this.#next++, request: { type: "abort", target: id } });
      // Whatever the worker had sent by then is not wanted any more.
      call.waiting = [];
      this.#deliver(call, { last: true, reply: { type: "aborted" } });
    };
    signal?.addEventListener("abort", abort, { once: true });
    let over = false;
    try {
      this.#post({ id, request, rgba }, rgba ? [rgba] : []);
      while (!over) {
        if (call.waiting.length === 0) await new Promise((resolve) => (call.wake = resolve));
        const message = call.waiting.shift();
        const { last, reply } = message;
        over = last;
        if (reply.type === "failed") throw new RefVlmError(withoutType(reply));
        if (reply.type === "aborted") throw aborted(signal);
        yield message;
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      if (!over && !this.dead) abort();
      this.#calls.delete(id);
      this.#watch();
    }
  }

  #post(message, transfer) {
    try {
      this.#worker.postMessage(message, transfer);
    } catch (error) {
      fail("bad_request", `The request cannot be sent (${error.message})`, "use plain numbers, texts and lists");
    }
  }

  /** The reply to a request that has only one. */
  async only(request, options) {
    for await (const message of this.send(request, options)) return message;
  }

  #take(message) {
    this.#watch();
    const reply = JSON.parse(message.reply);
    this.#deliver(this.#calls.get(message.id), { ...message, reply });
    if (reply.type === "failed" && reply.lost) this.end(withoutType(reply));
  }

  #deliver(call, message) {
    call?.waiting.push(message);
    call?.wake?.();
  }

  #watch() {
    clearTimeout(this.#timer);
    if (this.#calls.size === 0 || this.dead) return;
    this.#timer = setTimeout(
      () => this.end({ kind: "crashed", message: "The engine does not answer", remedy: "load the model again" }),
      SILENCE_MS,
    );
  }

  /** Ends the worker; whatever still waits for it fails. */
  end(failure = { kind: "not_loaded", message: "The model was unloaded", remedy: "load it again" }) {
    this.dead ??= failure;
    clearTimeout(this.#timer);
    this.#worker.terminate();
    for (const call of this.#calls.values()) this.#deliver(call, { last: true, reply: { type: "failed", ...failure } });
  }
}

function withoutType({ type, ...rest }) {
  return rest;
}

// The engine's worker: takes the protocol's requests, one after the other, and answers them. The
// crate `refvlm-protocol` describes each message.

import init, { Engine, chooseBackend, version } from "./engine/refvlm.js";
import { probeAdapter } from "./adapter.js";
import { aborted, fail, failureOf } from "./failure.js";
import { loadPackage } from "./loader.js";

/** Promise of the engine, from the first request that needs it. */
let starting = null;
/** Requests that wait, and the one that is served: `{id, request, rgba, abort}`. */
const queue = [];
let running = null;
/** What ended the engine; everything fails of it from then on. */
let dead = null;

self.onmessage = ({ data }) => {
  const { id, request, rgba } = data ?? {};
  if (request?.type === "abort") return abort(request.target);
  const job = { id, request, rgba, abort: new AbortController() };
  if (dead) return end(job, { type: "failed", ...dead });
  // A scene needs nothing that a download is busy with.
  if (request?.type === "generate" && running?.request.type === "load") return serve(job);
  queue.push(job);
  pump();
};

// Whatever the engine throws outside of a call, such as in a continuation, ends up here.
self.addEventListener("error", (event) => die(event.error ?? event.message));
self.addEventListener("unhandledrejection", (event) => die(event.reason));

async function pump() {
  if (running) return;
  while ((running = queue.shift() ?? null)) await serve(running);
}

function abort(target) {
  const job = [running, ...queue].find((job) => job?.id === target);
  job?.abort.abort();
}

async function serve(job) {
  const { signal } = job.abort;
  try {
    if (signal.aborted) throw aborted(signal);
    const serveOne = SERVE[job.request?.type];
    if (!serveOne) fail("bad_request", `unknown request ${job.request?.type}`, "`refvlm-protocol` lists them");
    await serveOne(job, signal);
  } catch (thrown) {
    if (signal.aborted && !dead) return end(job, { type: "aborted" });
    const failure = failureOf(thrown);
    if (failure.lost) dead = failure;
    end(job, { type: "failed", ...failure });
  }
}

function die(thrown) {
  dead ??= failureOf(thrown);
  if (!dead.lost) dead = { ...dead, kind: "crashed", lost: true };
  for (const job of [running, ...queue.splice(0)]) {
    if (job) end(job, { type: "failed", ...dead });
  }
}

const SERVE = {
  async load(job, signal) {
    const { url, backend = "auto" } = job.request;
    if (!["auto", "cpu", "webgpu"].includes(backend)) {
      fail("bad_request", `unknown backend ${backend}`, "use auto, cpu or webgpu");
    }
    const adapter = backend === "cpu" ? null : await probeAdapter();
    if (backend === "webgpu" && !adapter.name) {
      fail("no_webgpu", adapter.problem, 'use backend "auto" or "cpu"');
    }
    const choose = (manifest) => chooseBackend(manifest, backend, adapter?.real ?? false);
    const progressed = (progress) => tell(job, { type: "progress", ...progress });
    const loaded = await loadPackage(engine(), choose, url, signal, progressed);
    const name = loaded.backend === "webgpu" ? adapter.name : null;
    end(job, { type: "ready", ...loaded, adapter: name, version: version() });
  },

  async generate(job) {
    const { seed, side = 384 } = job.request;
    const whole = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;
    if (!whole(seed, 0, 2 ** 32 - 1) || !whole(side, 16, 4096)) {
      fail("bad_request", `no scene has seed ${seed} and side ${side}`, "use a seed below 2^32 and a side of 16 to 4096");
    }
    const [scene, rgba, depth] = (await engine()).scene(seed, side);
    const beside = { rgba: rgba.buffer, depth: depth.buffer };
    end(job, scene, beside);
  },

  async set_image(job) {
    const { width, height } = job.request;
    if (!(job.rgba instanceof ArrayBuffer)) {
      fail("bad_request", "set_image came without rgba", "transfer the bytes beside the request");
    }
    const rgba = new Uint8Array(job.rgba);
    job.rgba = null;
    const seconds = await (await engine()).set_image(width, height, rgba);
    end(job, { type: "image_set", width, height, seconds });
  },

  async ask(job, signal) {
    // Between two events the worker looks at its messages, so that an abort is seen at any token.
    const emit = async (event, last) => {
      (last ? end : tell)(job, event);
      await tick();
      return !signal.aborted;
    };
    const ended = await (await engine()).ask(written(job.request.ask), emit);
    if (!ended) throw aborted(signal);
  },

  async unload(job) {
    if (starting) (await engine()).unload();
    end(job, { type: "unloaded" });
  },
};

/** A question as JSON. What JSON cannot say, such as a number too large for it, is no question. */
function written(ask) {
  try {
    return JSON.stringify(ask) ?? "";
  } catch (error) {
    fail("bad_request", `The question cannot be written as JSON (${error.message})`, "use plain numbers, texts and lists");
  }
}

/** Sends a reply behind which others follow; one that is text already came from the engine. */
function tell(job, reply) {
  send(job, false, reply, {});
}

/** Sends the last reply to a request. */
function end(job, reply, beside = {}) {
  send(job, true, reply, beside);
}

function send(job, last, reply, beside) {
  if (job.over) return;
  job.over = last;
  const text = typeof reply === "string" ? reply : JSON.stringify(reply);
  self.postMessage({ id: job.id, last, reply: text, ...beside }, Object.values(beside));
}

function engine() {
  starting ??= start();
  return starting;
}

async function start() {
  // One function that makes a vector: a browser that rejects it cannot run the engine.
  const vector = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(new Uint8Array(vector))) {
    fail("no_simd", "This browser cannot run WebAssembly with SIMD", "use a current version of Chrome, Edge, Firefox or Safari");
  }
  try {
    await init();
  } catch (error) {
    starting = null;
    if (error instanceof TypeError) {
      fail("offline", `The engine cannot be fetched (${error.message})`, "check the connection and try again");
    }
    throw error;
  }
  return new Engine();
}

const { port1, port2 } = new MessageChannel();
let resume = null;
port1.onmessage = () => resume?.();

/** Lets the worker take its waiting messages; a timer would wait for milliseconds. */
function tick() {
  return new Promise((resolve) => {
    resume = resolve;
    port2.postMessage(null);
  });
}

// Which graphics card the browser offers, asked before anything is created on it.

/** A browser may never say whether it has a card. */
const PATIENCE_MS = 5_000;

/**
  * @returns `{name, real}`: the card's name, and whether it is hardware rather than a software
  * renderer; without a name, `problem` says why there is no card
 */
export async function probeAdapter() {
  if (!navigator.gpu) return { real: false, problem: "This browser has no WebGPU" };
  let adapter = null;
  try {
    const asked = navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
    adapter = await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, null))]);
  } catch {
    // Told below: there is nothing that WebGPU can use.
  }
  if (!adapter) return { real: false, problem: "WebGPU finds no graphics card here" };
  const { vendor = "", architecture = "", description = "" } = adapter.info ?? {};
  const name = description || [vendor, architecture].filter(Boolean).join(" ") || "graphics card";
  const software = /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${name} ${architecture}`);
  const fallback = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
  return { name, real: !fallback && !software };
}

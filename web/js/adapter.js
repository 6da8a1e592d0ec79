// Which graphics card the browser offers, asked before anything is created on it.

/**
  * @returns `{name, real}`: the card's name, and whether it is hardware rather than a software
  * renderer; without a name, `problem` says why there is no card
 */
export async function probeAdapter() {
  if (!navigator.gpu) return { real: false, problem: "This browser has no WebGPU" };
  let adapter = null;
  try {
    adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
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

// Starts the page. It stands in a file of its own because the content security policy allows no
// inline scripts; the build writes the hashed names into <meta name="refvlm-page">.

const theme = (() => {
  try {
    return localStorage.getItem("refvlm-theme");
  } catch {
    return null; // storage is forbidden here
  }
})();
document.documentElement.dataset.theme = theme ?? "auto";

const [js, wasm] = document
  .querySelector("meta[name=refvlm-page]")
  .content.split(" ")
  .map((name) => new URL(name, document.baseURI));
const { default: init } = await import(js);
await init({ module_or_path: wasm });

if ("serviceWorker" in navigator && isSecureContext) {
  // Without it the page works as before, online only.
  navigator.serviceWorker.register("sw.js").catch(() => {});
}

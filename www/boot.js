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
try {
  const { default: init } = await import(js);
  await init({ module_or_path: wasm });
  document.querySelector(".starting")?.remove();
} catch (error) {
  document.querySelector(".starting .why").textContent = why(error);
  throw error;
}

/** What keeps the page from starting, and who can do something about it. */
function why(error) {
  if (typeof WebAssembly !== "object") {
    return "This browser has no WebAssembly. Use a current Chrome, Edge, Firefox or Safari.";
  }
  if (/unsafe-eval|Content Security Policy/i.test(error.message)) {
    return "This site's security policy forbids WebAssembly: whoever runs it has to allow 'wasm-unsafe-eval' in script-src.";
  }
  if (error instanceof TypeError || error instanceof WebAssembly.CompileError) {
    return "A part of the page could not be fetched, or is not what it should be. Check the connection and load the page again.";
  }
  return `The page cannot start: ${error.message}`;
}

if ("serviceWorker" in navigator && isSecureContext) {
  // Without it the page works as before, online only.
  navigator.serviceWorker.register("sw.js").then(watch, () => {});
}

/** Offers a newer version of the page as soon as it is there; the old one runs until then. */
function watch(registration) {
  const ready = (worker) => {
    if (worker.state === "installed" && navigator.serviceWorker.controller) offer(worker);
  };
  if (registration.waiting) ready(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => ready(worker));
  });
  setInterval(() => registration.update().catch(() => {}), 3_600_000);
}

function offer(worker) {
  document.querySelector(".update")?.remove();
  const bar = document.createElement("div");
  bar.className = "notice update";
  bar.setAttribute("role", "status");
  const button = (words, then) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "button";
    made.textContent = words;
    made.addEventListener("click", then);
    return made;
  };
  const use = () => {
    navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
    worker.postMessage("take over");
  };
  bar.append("A new version of this page is here. It closes this conversation.", button("Use it", use), button("Later", () => bar.remove()));
  document.body.append(bar);
}

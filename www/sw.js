// Keeps the page and the engine, so that both work offline after the first visit. Models are none
// of its business: the engine checks and keeps them itself.

const PRECACHE = { version: "", files: [] }; // the build fills this in

const NAME = "refvlm-page ";
const scope = new URL("./", self.location);

self.addEventListener("install", (event) => {
  const requests = PRECACHE.files.map((file) => new Request(new URL(file, scope), { cache: "no-cache" }));
  event.waitUntil(caches.open(NAME + PRECACHE.version).then((cache) => cache.addAll(requests)));
});

self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

// A newer version waits until the person says so: the page that runs belongs to the older one.
self.addEventListener("message", ({ data }) => {
  if (data === "take over") self.skipWaiting();
});

async function takeOver() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(NAME) && name !== NAME + PRECACHE.version);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin) return;
  if (url.href.startsWith(new URL("models/", scope).href)) return;
  event.respondWith(kept(request));
});

async function kept(request) {
  const cache = await caches.open(NAME + PRECACHE.version);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}

// Keeps the pages for phones and gates, so that they open without a network. FILES, PAGES and VERSION stand above, put
// there by the server. Nothing else of the site is kept, and nothing that anybody said.

const CACHE = `suizheng-${VERSION}`;
const PATIENCE = 3000;

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll([...PAGES, ...FILES].map((path) => new Request(path, { cache: "no-cache", credentials: "omit" })));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    for (const name of await caches.keys()) if (name !== CACHE && name.startsWith("suizheng-")) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

self.addEventListener("fetch", (event) => {
  const { request } = event, address = new URL(request.url);
  const isOurs = address.origin === self.location.origin && (PAGES.includes(address.pathname) || address.pathname.startsWith("/static/"));
  if (request.method === "GET" && isOurs) event.respondWith(answer(request, address.pathname));
});

// The network first, so that what is shown is new; what was kept where it does not answer in time.
async function answer(request, path) {
  const kept = async () => (await caches.open(CACHE)).match(path, { ignoreSearch: true, ignoreVary: true });
  try {
    const fresh = await fetch(request, { signal: AbortSignal.timeout(PATIENCE) });
    return fresh.ok ? fresh : (await kept()) ?? fresh;
  } catch (error) {
    const found = await kept();
    if (found) return found;
    throw error;
  }
}

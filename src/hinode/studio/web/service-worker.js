// The page and its modules work without a network, for a server on the same machine that restarts.
// Pages come from the network first; modules stand under the version and never change; the API and media
// pass by, since older WebKit lost byte ranges here.
const CACHE = "hinode-VERSION";
const MODULES = new URL("./studio/VERSION/", self.registration.scope).href;
const PAGE = new URL("./", self.registration.scope).href;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.add(PAGE)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys().then((names) =>
      Promise.all(names.filter((name) => name.startsWith("hinode-") && name !== CACHE).map((name) => caches.delete(name))),
    ).then(() => self.clients.claim()),
  );
});

// What the page had loaded before this worker was there.
self.addEventListener("message", (event) => {
  if (event.data?.type !== "keep") return;
  const addresses = event.data.addresses.filter((address) => address.startsWith(MODULES));
  event.waitUntil(Promise.all(addresses.map((address) => fromCache(new Request(address)).catch(() => {}))));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = request.url.split(/[?#]/)[0];
  if (url === PAGE) event.respondWith(fetch(request).catch(() => caches.match(PAGE)));
  else if (url.startsWith(MODULES)) event.respondWith(fromCache(request));
});

async function fromCache(request) {
  const cached = await caches.match(request);
  if (cached) return cached;
  const answer = await fetch(request);
  if (answer.ok) (await caches.open(CACHE)).put(request, answer.clone());
  return answer;
}

// Keeps the page, the runtime and the weights, so that the second visit needs no network.
const VERSION = "@@version";
const SHELL = `shell-${VERSION}`, KEPT = "kept"; // weights and runtime: their names change with them
const FILES = @@files;
const LASTING = @@lasting;

self.addEventListener("install", event => {
  event.waitUntil((async () => {
    const cache = await caches.open(SHELL);
    await cache.addAll(FILES.map(file => new Request(file, { cache: "reload" })));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", event => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("shell-") && name !== SHELL) await caches.delete(name);
    }
    const kept = await caches.open(KEPT), current = new Set(LASTING.map(here));
    for (const request of await kept.keys()) if (!current.has(request.url)) await kept.delete(request);
    await self.clients.claim();
  })());
});

const here = file => new URL(file, self.registration.scope).href;

self.addEventListener("fetch", event => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  const bare = url.origin + url.pathname;
  if (LASTING.some(file => here(file) === bare)) event.respondWith(lasting(bare, event.request));
  else if (FILES.some(file => here(file) === bare)) event.respondWith(shell(bare, event.request));
});

async function shell(bare, request) {
  const cache = await caches.open(SHELL);
  return alone((await cache.match(bare)) ?? (await fetch(request)));
}

async function lasting(bare, request) {
  const cache = await caches.open(KEPT), found = await cache.match(bare);
  if (found) return alone(found);
  const answer = await fetch(request);
  if (answer.ok && answer.status === 200) {
    cache.put(bare, answer.clone()).catch(() => {}); // no room: it works without
  }
  return alone(answer);
}

/** With the headers that let a page use several threads, where the host does not send them. */
function alone(answer) {
  if (!answer.ok || answer.headers.get("cross-origin-embedder-policy")) return answer;
  const headers = new Headers(answer.headers);
  headers.set("cross-origin-embedder-policy", "require-corp");
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-resource-policy", "cross-origin");
  return new Response(answer.body, { status: answer.status, statusText: answer.statusText, headers });
}

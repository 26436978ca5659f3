// Keeps the page's files, so that it works without a network. `VERSION` changes with what they hold.

const NAME = `${registration.scope} ${VERSION}`

async function install() {
  const cache = await caches.open(NAME)
  await cache.addAll(FILES.map(file => new Request(file, {cache: "no-cache"})))
  await skipWaiting()
}

async function activate() {
  const names = await caches.keys()
  await Promise.all(names.filter(name => name.startsWith(`${registration.scope} `) && name !== NAME).map(name => caches.delete(name)))
  await clients.claim()
}

async function answer(request) {
  const cache = await caches.open(NAME)
  return await cache.match(request, {ignoreSearch: true}) ?? fetch(request)
}

addEventListener("install", event => event.waitUntil(install()))
addEventListener("activate", event => event.waitUntil(activate()))
addEventListener("fetch", event => event.respondWith(answer(event.request)))

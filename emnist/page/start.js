
// In place of a server, the page computes.
var local = globalThis.WebAssembly && globalThis.DecompressionStream
  ? import("./reading.js").catch(() => { throw Error("The page's files are not all there. Reload it, or write it again.") })
  : Promise.reject(Error("The page needs WebAssembly, which this browser lacks or forbids. Open it in a current one."))
navigator.serviceWorker?.register("worker.js").catch(() => {})

// Reads pictures in the browser, as `emnist serve` does for the same page.

import {restrict} from "./alphabet.js"
import * as onnx from "./ort.wasm.min.js"
import {WORKING_SIDE} from "./constants.js"
import {readCharacter} from "./conversion.js"
import {grid} from "./grids.js"
import networks from "./networks.js"

export const about = {models: networks, drawings: null}

const sessions = load().catch(error => {
  console.error(error)
  throw Error("The networks cannot be loaded. Reload the page, or write it again.")
})
sessions.catch(() => {})  // told by the first prediction

async function load() {
  onnx.env.wasm.numThreads = 1
  onnx.env.wasm.wasmPaths = {mjs: new URL("ort-wasm-simd-threaded.js", import.meta.url).href}
  onnx.env.wasm.wasmBinary = await unpack("runtime.bin")
  return Promise.all(networks.map(({file}) => onnx.InferenceSession.create(file)))
}

async function unpack(file) {
  const {body} = await fetch(file)
  return new Response(body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer()
}

// A picture (Blob) to what `POST /predict` answers for it, of all networks; `characters` and `ignoreCase` as in its query.
export async function predict(picture, characters = "", ignoreCase = false) {
  const bitmap = await createImageBitmap(picture).catch(() => {
    throw Error("This browser cannot open the picture. Save it as PNG or JPEG.")
  })
  const image = readCharacter((...box) => look(bitmap, ...box), bitmap.width, bitmap.height)
  bitmap.close()
  if (!image) throw Error("The picture should show a character, but none was found: use a picture with more contrast.")
  const read = []
  for (const [i, session] of (await sessions).entries()) {
    const {probabilities} = await session.run({images: new onnx.Tensor("uint8", image.data, [1, 28, 28])})
    const guesses = restrict(networks[i].classes, probabilities.data, characters, ignoreCase)
    read.push({network: networks[i].name, predictions: guesses.sort((a, b) => b.probability - a.probability).slice(0, 3)})
  }
  return {image: btoa(String.fromCharCode(...image.data)), networks: read}
}

// The grey levels of a part of a picture. What is transparent shows white paper or, behind white ink, black.
function look(bitmap, left, top, right, bottom) {
  const factor = Math.min(1, WORKING_SIDE / Math.max(right - left, bottom - top))
  const width = Math.max(1, Math.round(factor * (right - left))), height = Math.max(1, Math.round(factor * (bottom - top)))
  const context = Object.assign(document.createElement("canvas"), {width, height}).getContext("2d", {willReadFrequently: true})
  context.imageSmoothingQuality = "high"
  context.drawImage(bitmap, left, top, right - left, bottom - top, 0, 0, width, height)
  const {data} = context.getImageData(0, 0, width, height), levels = new Uint8Array(width * height)
  let ink = 0, opaque = 0
  for (let i = 0, j = 0; i < levels.length; i++, j += 4) {
    levels[i] = (19595 * data[j] + 38470 * data[j + 1] + 7471 * data[j + 2] + 32768) / 65536
    ink += levels[i] * data[j + 3], opaque += data[j + 3]
  }
  const paper = ink < 128 * opaque ? 255 : 0
  return grid(width, height, levels.map((level, i) => (level * data[4 * i + 3] + paper * (255 - data[4 * i + 3])) / 255))
}

// Grids of numbers, row by row, and what NumPy, Pillow and emnist/reading/strokes.py do with them.

export const grid = (width, height, data) => ({width, height, data})
export const largest = ({data}) => data.reduce((a, b) => Math.max(a, b))

export function map({width, height, data}, change, Type = Float64Array) {
  const changed = new Type(data.length)
  for (let i = 0; i < data.length; i++) changed[i] = change(data[i], i)
  return grid(width, height, changed)
}

// Rounds a half to the even number.
export const rint = x => x % 1 === .5 ? 2 * Math.round(x / 2) : Math.round(x)

// A part, which may reach beyond the edges: there is 0 or, with `edge`, what is at the edge.
export function cut({width, height, data}, left, top, right, bottom, edge = false) {
  const part = new data.constructor((right - left) * (bottom - top)), from = Math.max(left, 0), to = Math.min(right, width)
  for (let y = top, start = -left; y < bottom; y++, start += right - left) {
    if (!edge && (y < 0 || y >= height)) continue
    const row = Math.min(Math.max(y, 0), height - 1) * width
    part.set(data.subarray(row + from, row + to), start + from)
    if (edge) part.fill(data[row], start + left, start + from).fill(data[row + width - 1], start + to, start + right)
  }
  return grid(right - left, bottom - top, part)
}

export const pad = (image, n, edge) => cut(image, -n, -n, image.width + n, image.height + n, edge)

export function transpose({width, height, data}) {
  const turned = new data.constructor(data.length)
  for (let i = 0; i < data.length; i++) turned[i % width * height + Math.floor(i / width)] = data[i]
  return grid(height, width, turned)
}

// The least or the largest of each square of `size` pixels.
function running(isLargest, {width, height, data}, size) {
  data = data.slice()
  for (const stride of [1, width]) for (let reach = 1, step; reach < size; reach += step) {
    step = Math.min(reach, size - reach)
    for (let i = 0, j = step * stride; j < data.length; i++, j++) if (data[j] > data[i] === isLargest) data[i] = data[j]
  }
  return cut(grid(width, height, data), 0, 0, width - size + 1, height - size + 1)
}

export const minima = (image, size) => running(false, image, size), maxima = (image, size) => running(true, image, size)

// By linear interpolation.
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort(), place = share * (sorted.length - 1), i = Math.floor(place)
  const a = sorted[i], b = sorted[Math.min(i + 1, sorted.length - 1)], t = place - i
  return t < .5 ? a + (b - a) * t : b - (b - a) * (1 - t)
}

export const median = values => quantile(values, .5)
export const sparse = ({width, data}) => data.filter((_, i) => i % width % 4 === 0 && Math.floor(i / width) % 4 === 0)

// Filters the rows, and the columns, by symmetric weights. As many pixels are lost at each end as are beside the middle.
export const filter = (image, weights) => filterRows(transpose(filterRows(transpose(image), weights)), weights)

function filterRows({width, height, data}, weights) {
  const reach = weights.length >> 1, kept = width - 2 * reach
  return map(grid(kept, height, new Float32Array(kept * height)), (_, i) => {
    const first = i + Math.floor(i / kept) * 2 * reach, last = first + 2 * reach
    let sum = weights[reach] * data[first + reach]
    for (let n = 0; n < reach; n++) sum += (data[first + n] + data[last - n]) * weights[n]
    return sum
  }, Float32Array)
}

// The regions of a mask, numbered from 1 in the order of their first pixels, and the number of each pixel's region.
export function findRegions({width, height, data}) {
  const labels = grid(width, height, new Int32Array(data.length)), regions = []
  for (let start = 0; start < data.length; start++) {
    if (!data[start] || labels.data[start]) continue
    const region = {number: regions.length + 1, left: width, top: height, right: 0, bottom: 0, area: 0}, open = [start]
    labels.data[start] = regions.push(region)
    while (open.length) {
      const i = open.pop(), x = i % width, y = (i - x) / width
      region.left = Math.min(region.left, x), region.right = Math.max(region.right, x + 1), region.area++
      region.top = Math.min(region.top, y), region.bottom = Math.max(region.bottom, y + 1)
      for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++)
        for (let u = Math.max(x - 1, 0), j = v * width + u; u <= Math.min(x + 1, width - 1); u++, j++)
          if (data[j] && !labels.data[j]) labels.data[j] = region.number, open.push(j)
    }
  }
  return {labels, regions}
}

// The box around boxes.
export const union = boxes => boxes.reduce((a, b) => ({
  left: Math.min(a.left, b.left), top: Math.min(a.top, b.top), right: Math.max(a.right, b.right), bottom: Math.max(a.bottom, b.bottom)}))

// Calls `use` with the first and the one after the last pixel of each run in a mask's rows.
export function forRuns({width, data}, use) {
  for (let row = 0; row < data.length; row += width) for (let x = 0, length = 0; x <= width; x++) {
    if (x < width && data[row + x]) length++
    else if (length) use(row + x - length, row + x), length = 0
  }
}

// The largest distance from a pixel of a mask to the nearest one outside it, up to a limit.
export function largestDistance(mask, limit) {
  const {width, data} = mask, within = new Float64Array(data.length)
  forRuns(mask, (start, end) => { for (let i = start; i < end; i++) within[i] = Math.min(i - start + 1, end - i) ** 2 })
  return Math.min(limit, Math.sqrt(largest(map(mask, (_, i) => {
    let square = within[i]
    for (let apart = 1; apart < limit && apart ** 2 < square; apart++)
      square = Math.min(square, (within[i - apart * width] ?? Infinity) + apart ** 2, (within[i + apart * width] ?? Infinity) + apart ** 2)
    return square
  }))))
}

// Pillow's bicubic resizing, first of the width; bytes are computed in fixed point.
export const resize = (image, width, height) => transpose(resizeRows(transpose(resizeRows(image, width)), height))

function resizeRows({width, height, data}, size) {
  const bytes = data instanceof Uint8Array, resized = new data.constructor(size * height)
  const factor = width / size, stretch = Math.max(factor, 1)
  for (let x = 0; x < size; x++) {
    const center = (x + .5) * factor, first = Math.max(Math.trunc(center - 2 * stretch + .5), 0)
    const last = Math.min(Math.trunc(center + 2 * stretch + .5), width)
    const weights = Array.from({length: last - first}, (_, i) => bicubic(Math.abs(i + first - center + .5) * (1 / stretch)))
    const sum = weights.reduce((a, b) => a + b), shares = weights.map(weight => weight / sum)
    const fixed = bytes ? shares.map(share => Math.trunc(share * 2 ** 22 + .5 * Math.sign(share))) : shares
    for (let y = 0; y < height; y++) {
      const value = fixed.reduce((value, share, i) => value + data[y * width + first + i] * share, bytes ? 2 ** 21 : 0)
      resized[y * size + x] = bytes ? Math.min(Math.max(Math.floor(value / 2 ** 22), 0), 255) : value
    }
  }
  return grid(size, height, resized)
}

const bicubic = x => x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -.5 : 0

// Pillow's means of squares of n x n pixels; those at the right and lower edge may be smaller.
export function reduce(image, n) {
  const width = Math.ceil(image.width / n), height = Math.ceil(image.height / n)
  return map(grid(width, height, new Uint8Array(width * height)), (_, i) => {
    const x = i % width * n, y = Math.floor(i / width) * n
    const {data} = cut(image, x, y, Math.min(x + n, image.width), Math.min(y + n, image.height))
    return Math.floor(data.reduce((a, b) => a + b, data.length >> 1) * Math.trunc(2 ** 24 / data.length) / 2 ** 24)
  }, Uint8Array)
}

// A picture of one character in EMNIST's format: emnist/reading and emnist/data/convert.py in JavaScript, where the same
// functions are explained. A test compares the two.

import * as c from "./constants.js"
import {cut, filter, findRegions, forRuns, grid, largest, largestDistance, map, maxima, median, minima, pad, quantile, reduce,
        resize, rint, sparse, transpose, union} from "./grids.js"

// The 28x28 levels, white on black, of a picture; null if it shows no character. `look` gives the grey levels of a part
// of the picture, a grid of bytes, scaled down to at most WORKING_SIDE.
export function readCharacter(look, width, height) {
  const small = look(0, 0, width, height), found = findCharacter(small)
  if (!found) return null
  const factor = width / small.width, margin = Math.max(found.ink.width, found.ink.height)
  if (factor < 1.3 || margin >= 2 * c.INK_SIDE) return convert(widen(scale(found.ink)))
  const low = side => Math.trunc(Math.max(factor * (side - margin), 0))
  const high = (side, end) => Math.trunc(Math.min(factor * (side + margin), end))
  const near = look(low(found.left), low(found.top), high(found.right, width), high(found.bottom, height))
  return convert(widen(scale((findCharacter(near) ?? found).ink)))
}

function scale(ink) {
  const factor = c.INK_SIDE / Math.max(ink.width, ink.height), side = length => Math.max(1, rint(factor * length))
  return resize(map(ink, value => rint(255 * value), Uint8Array), side(ink.width), side(ink.height))
}

function widen(ink) {
  const mask = map(pad(ink, 1), level => level > 127, Uint8Array)
  const missing = Math.max(0, rint(c.MIN_STROKE - 2 * largestDistance(mask, c.MIN_STROKE >> 1)))
  return maxima(pad(ink, missing), missing + 1)
}

function convert(image) {
  const blurred = filter(pad(image, 2 * c.PADDING), c.WEIGHTS)
  const faint = Math.fround(Math.fround(c.INK_THRESHOLD) * largest(blurred))
  const {left, top, right, bottom} = union(findRegions(map(blurred, value => value >= faint, Uint8Array)).regions)
  const side = Math.max(right - left, bottom - top), content = c.SIDE - 2 * c.BORDER
  const x = side - (right - left) >> 1, y = side - (bottom - top) >> 1
  const square = cut(cut(blurred, left, top, right, bottom), -x, -y, side - x, side - y)
  const small = resize(square, content, content), brightest = largest(small)
  const level = value => rint(Math.fround(Math.min(Math.max(Math.fround(value / brightest), 0), 1) * 255))
  return pad(map(small, level, Uint8Array), c.BORDER)
}

function findContrast(levels) {
  const smooth = filter(pad(levels, 1, true), [.25, .5, .25]), size = (Math.max(levels.width, levels.height) >> 1) + 1
  const grain = median(sparse(map(levels, (level, i) => Math.abs(level - smooth.data[i]))))
  if (grain > .7) levels = smooth
  const light = isLightOnDark(map(levels, Math.trunc, Uint8Array))
  if (light) levels = map(levels, level => 255 - level)
  const paper = minima(maxima(pad(map(levels, Math.trunc, Uint8Array), size - 1, true), size), size)
  const darker = map(levels, (level, i) => paper.data[i] - level)
  const [low, middle] = [.1, .25].map(share => quantile(sparse(darker), share))
  const noise = Math.max(1.65 * (middle - low), .8 * grain), usual = middle + .67 * noise, dim = .1 * largest(paper) + 1
  const reference = map(paper, level => light ? 255 : Math.max(level - usual, dim)).data
  const contrast = map(darker, (value, i) => (value - usual) / reference[i])
  return [contrast, map(contrast, (value, i) => value > Math.max(c.MIN_CONTRAST, c.NOISE * noise / reference[i]), Uint8Array)]
}

function isLightOnDark(levels) {
  const small = reduce(levels, Math.max(1, Math.floor(Math.max(levels.width, levels.height) / 200)))
  const padded = pad(small, 2, true), low = minima(padded, 5).data, longer = Math.max(small.width, small.height)
  const steps = map(maxima(padded, 5), (level, i) => level - low[i], Int16Array), usual = Math.trunc(median(steps.data))
  const excess = map(steps, step => step - usual, Int16Array)
  const weights = c.REACHES.map(reach => weighStrokes(small, excess, Math.max(2, rint(longer * reach))))
  const most = Math.max(...weights.flat()), isMany = (a, b) => Math.max(a, b) > Math.max(c.LEAST_SHARE * most, 1.5 * Math.min(a, b))
  const [valleys, ridges] = weights.find(each => isMany(...each)) ?? weights[0]
  return ridges > valleys
}

function weighStrokes(levels, steps, reach) {
  const {width, data} = pad(levels, reach, true), near = maxima(pad(steps, reach), 2 * reach + 1).data
  let valleys = 0, ridges = 0
  levels.data.forEach((level, i) => {
    const j = i + reach + (Math.floor(i / levels.width) * 2 + width) * reach
    const a = data[j - reach], b = data[j + reach], d = data[j - reach * width], e = data[j + reach * width]
    const depth = Math.max(Math.min(a, b), Math.min(d, e)) - level, rise = level - Math.min(Math.max(a, b), Math.max(d, e))
    if (depth > c.MIN_STEP && depth < 2 * near[i]) valleys += depth ** 2
    if (rise > c.MIN_STEP && rise < 2 * near[i]) ridges += rise ** 2
  })
  return [valleys, ridges]
}

function findCharacter(levels) {
  let [contrast, mask] = findContrast(levels)
  mask = transpose(removeRules(transpose(removeRules(mask))))
  contrast = map(contrast, (value, i) => mask.data[i] && value)
  const {labels, regions} = findRegions(mask)
  measureDarkness(contrast, labels, regions)
  const [main, others] = findMain(labels, regions)
  if (!main) return null
  contrast = map(contrast, (value, i) => others.has(labels.data[i]) ? 0 : value)
  const parts = findRegions(map(contrast, value => value > c.FAINT * main.darkness, Uint8Array))
  const core = new Set(parts.labels.data.filter((part, i) => part && labels.data[i] === main.number))
  const [near, dots, stem] = findNear(parts.regions, core)
  const ink = map(contrast, (value, i) => near.has(parts.regions[parts.labels.data[i] - 1]) ? value : 0)
  const boxes = [...near]
  for (const {left, top, right, bottom} of dots) {
    const more = Math.ceil(Math.max(0, stem - Math.min(right - left, bottom - top)) / 2)
    const box = {left: Math.max(0, left - more), top: Math.max(0, top - more), right: right + more, bottom: bottom + more}
    const value = largest(cut(ink, left, top, right, bottom)), end = Math.min(box.right, ink.width)
    for (let y = box.top; y < Math.min(box.bottom, ink.height); y++) ink.data.fill(value, y * ink.width + box.left, y * ink.width + end)
    boxes.push(box)
  }
  const box = union(boxes)
  const part = cut(ink, box.left, box.top, Math.min(box.right, ink.width), Math.min(box.bottom, ink.height))
  const reach = Math.floor(Math.max(part.width, part.height) / 10) + 1, local = maxima(pad(part, reach), 2 * reach + 1).data
  return {...box, ink: map(part, (value, i) => Math.min(value / Math.max(local[i], c.FAINT * main.darkness), 1))}
}

function measureDarkness(contrast, labels, regions) {
  const sums = new Float64Array(regions.length + 1), squares = sums.slice()
  labels.data.forEach((label, i) => { sums[label] += contrast.data[i], squares[label] += contrast.data[i] ** 2 })
  for (const region of regions) region.darkness = squares[region.number] / Math.max(sums[region.number], 1e-9)
}

const longer = box => Math.max(box.right - box.left, box.bottom - box.top)
const shorter = box => Math.min(box.right - box.left, box.bottom - box.top)

function findMain(labels, regions) {
  const {width, height} = labels, least = Math.max(3, c.MIN_SIDE * Math.max(width, height))
  const isInside = box => box.left > 0 && box.top > 0 && box.right < width && box.bottom < height
  const able = regions.filter(region => longer(region) >= least && region.area >= 6
    && (Math.min(width, height) <= 200 || shorter(region) > 1))
  const longest = list => Math.max(...list.map(longer)), inside = able.filter(isInside)
  const full = region => longer(region) * region.darkness ** 2, heaviest = list => Math.max(...list.map(full))
  const onlyInside = inside.length > 0
    && (longest(inside) > .3 * longest(able) || heaviest(inside) === heaviest(able))
  const weight = region => onlyInside && !isInside(region) ? 0 : full(region)
  const others = new Set(able.filter(region => !weight(region)).map(region => region.number))
  const weighty = able.filter(weight).sort((a, b) => weight(b) - weight(a))
  for (const main of weighty) {
    if (!isBlob(labels, main) && !weighty.some(other => surrounds(labels, main, other))) {
      weighty.filter(other => surrounds(labels, other, main)).forEach(frame => others.add(frame.number))
      return [main, others]
    }
    others.add(main.number)
  }
  return []
}

function isBlob(labels, region) {
  const side = longer(region), {left, top, right, bottom, number} = region
  if (side < 12 || region.area < .4 * side ** 2) return false
  const part = map(pad(cut(labels, left, top, right, bottom), 1), label => label === number, Uint8Array)
  return 2 * largestDistance(part, side >> 1) > .6 * side
}

function surrounds(labels, frame, box) {
  const {number, left, top, right, bottom} = frame
  const isWithin = box.left > left && box.top > top && box.right < right && box.bottom < bottom
  if (!isWithin || longer(box) <= .25 * longer(frame)) return false
  const x = box.left + box.right >> 1, y = box.top + box.bottom >> 1
  const across = cut(labels, left, y, right, y + 1).data, down = cut(labels, x, top, x + 1, bottom).data
  const isAround = (line, low, high) => line.includes(number) && line.indexOf(number) < low && line.lastIndexOf(number) >= high
  return isAround(across, box.left - left, box.right - left) && isAround(down, box.top - top, box.bottom - top)
    && !cut(labels, box.left, box.top, box.right, box.bottom).data.includes(number)
}

function findNear(parts, core) {
  const own = parts.filter(part => core.has(part.number)), {left, top, right, bottom} = union(own)
  const side = Math.max(right - left, bottom - top), area = Math.max(...own.map(part => part.area)), stem = area / side
  const down = part => Math.max(top - part.bottom, part.top - bottom, 0)
  const apart = part => Math.max(left - part.right, part.left - right, down(part))
  const isDot = part => part.bottom <= top && down(part) < .8 * side && longer(part) >= .25 * stem && right - left < .7 * side
    && Math.abs(part.left + part.right - left - right) < right - left + 2 * stem
  const isNear = part => apart(part) < c.NEAR * side && part.area > c.MIN_AREA * area
  const near = new Set(parts.filter(part => core.has(part.number) || isNear(part) || isDot(part)))
  return [near, parts.filter(part => isDot(part) && !core.has(part.number)), stem]
}

function removeRules(mask) {
  const {width, height, data} = mask, cleared = grid(width, height, data.slice())
  const thick = map(mask, (on, i) => on || data[i - width] || data[i + width], Uint8Array)
  const least = Math.max(16, Math.floor(width / 10)), runs = grid(width, height, new Uint8Array(data.length))
  forRuns(thick, (start, end) => { if (end - start >= least) runs.data.fill(1, start, end) })
  const {labels, regions} = findRegions(runs)
  for (const {number, left, top, right, bottom} of regions.filter(region => region.right - region.left > .5 * width)) {
    const band = map(cut(labels, left, top, right, bottom), label => label === number, Uint8Array)
    const sums = new Uint32Array(band.width)
    band.data.forEach((on, i) => sums[i % band.width] += on)
    const thickness = median(sums) - 2, reach = 8 + Math.trunc(2 * thickness), first = Math.max(0, top - reach)
    if (thickness > .03 * height || thickness < 0) continue
    const around = transpose(cut(cleared, left, first, right, Math.min(bottom + reach, height)))
    forRuns(around, (start, end) => {
      if (end - start <= 2 * thickness + 2) for (let i = start; i < end; i++) {
        const x = Math.floor(i / around.width), y = i % around.width + first
        if (y >= top && y < bottom && band.data[(y - top) * band.width + x]) cleared.data[y * width + left + x] = 0
      }
    })
  }
  return cleared
}

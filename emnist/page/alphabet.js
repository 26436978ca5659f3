// The characters that a picture may show: emnist/reading/alphabet.py in JavaScript. A test compares the two.

// The probabilities of a network's classes given that the picture shows one of `characters`, such as 0-9A-F (all, if
// that is empty): a list of {character, probability}.
export function restrict(classes, probabilities, characters, ignoreCase) {
  const given = (characters ? expand(characters, classes) : classes).filter(character => character !== " ")
  const lacking = [...new Set(given)].filter(character => !classes.includes(character))
  if (lacking.length) {
    const all = classes.join(classes.some(isName) ? " " : "")
    throw Error(`The alphabet should hold characters of the network, which are ${all}, but holds ${lacking.slice(0, 10).join(", ")}: leave out what the network lacks.`)
  }
  if (!given.length) throw Error("The alphabet should hold a character, but holds none: give one such as 0-9.")
  const name = character => ignoreCase ? character.toLowerCase() : character, guesses = new Map()
  for (const character of given) if (!guesses.has(name(character))) guesses.set(name(character), {character, probability: 0})
  classes.forEach((character, i) => { if (guesses.has(name(character))) guesses.get(name(character)).probability += probabilities[i] })
  const among = [...guesses.values()]
  if (among.map(each => each.character).join("\0") === classes.join("\0")) return among  // exactly what the network says
  const sum = among.reduce((sum, each) => sum + each.probability + 1e-12, 0)
  return among.map(({character, probability}) => ({character, probability: (probability + 1e-12) / sum}))
}

const isName = character => [...character].length > 1

function expand(text, classes) {
  const names = classes.filter(isName).sort((a, b) => b.length - a.length), found = []
  for (let rest = text.normalize("NFC"), part; rest; rest = rest.slice(part.length)) {
    const range = rest.match(/^(.)-(.)/su)
    part = names.find(name => rest.startsWith(name)) ?? range?.[0] ?? [...rest][0]
    if (part !== range?.[0]) found.push(part)
    else {
      const [first, last] = range.slice(1).map(character => character.codePointAt())
      if (first > last) throw Error(`The alphabet's range ${part} should rise, but falls: write ${range[2]}-${range[1]}.`)
      for (let code = first; code <= last; code++) found.push(String.fromCodePoint(code))
    }
  }
  return found
}

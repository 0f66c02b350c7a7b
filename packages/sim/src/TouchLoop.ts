/**
 * The inner loops of the simulator: touch pages until one is missing. An access to a page that is resident and already marked costs a
 * random number and one byte read; the first access since the last aging walk also queues the page for the next one. Random accesses to a
 * range whose pages are all resident and marked change nothing: they are skipped over at once, also in the stream of random numbers; where
 * only a few are not marked, so is what lies between two touches of those. The distribution is the same.
 */
import { DIRTY, FILE, type PageTable, RESIDENT, SEEN } from "./PageTable.ts"
import type { Random } from "./Random.ts"

/** The page that stopped the last loop, or -1. */
export const missed = { page: -1 }

const markSlow = (pages: PageTable, page: number, mask: number): boolean => {
  const flags = pages.flags[page]!
  if ((flags & RESIDENT) === 0) return false
  // A first write to a clean file page is counted by the caller.
  if ((mask & DIRTY) !== 0 && (flags & (DIRTY | FILE)) === FILE) return false
  pages.mark(page, 0)
  return true
}

/** How many touches a page of a random range gets between two looks at whether there is anything left to mark. */
const touchesBetweenLooks = 8
/** A look costs about a quarter of as many touches; more than one in sixteen pages to mark are found sooner by touching. */
const looksFrom = 1 / 4
const fewAre = 1 / 16
/** Of those that only observers have to be told of, more are few. */
const fewToTell = 1 / 4

/** ln(1 - p) for such small p: to 1e-8, and several times as fast as Math.log1p. */
const logOfRest = (p: number): number => -p * (1 + p * (1 / 2 + p * (1 / 3 + p * (1 / 4 + p / 5))))

/** Pages of a range that are not all marked, as the last look found them. */
let unmarked = new Int32Array(1024)

/** Collects them; -1: there are more than `most`. Looks at four pages at a time. */
const lookForUnmarked = ({ flags, flagWords }: PageTable, first: number, range: number, mask: number, most: number): number => {
  if (unmarked.length < most + 4) unmarked = new Int32Array(2 * most + 4)
  const list = unmarked
  const end = first + range
  const fourMasks = (mask * 0x01010101) | 0
  let count = 0
  let page = first
  while (page < end) {
    if ((page & 3) === 0 && page + 4 <= end && (flagWords[page >>> 2]! & fourMasks) === fourMasks) {
      page += 4
      continue
    }
    if ((flags[page]! & mask) !== mask) {
      if (count === most) return -1
      list[count++] = page
    }
    page++
  }
  return count
}

/**
 * As many uniform touches of a range of which only `left` pages (in `unmarked`) are not marked: the number of touches up to the next one of
 * those is drawn, the others change nothing. Returns how many it touched before one needed more than a mark.
 */
const touchUnmarked = (pages: PageTable, random: Random, range: number, count: number, mask: number, left: number): number => {
  let done = 0
  missed.page = -1
  for (let k = left; k > 0; k--) {
    done += Math.floor(Math.log(random.nextFraction()) / logOfRest(k / range))
    if (done >= count) return count
    const at = random.nextBelow(k)
    const page = unmarked[at]!
    if (!markSlow(pages, page, mask)) {
      missed.page = page
      return done
    }
    unmarked[at] = unmarked[k - 1]!
    done++
  }
  return count
}

/**
 * The same where all that is missing of the pages in `unmarked` is to tell observers of them: in which order does not matter, so each of them
 * is touched or not by its own probability. False where something else is missing.
 */
const tellSome = (pages: PageTable, random: Random, range: number, count: number, mask: number, left: number): boolean => {
  const { flags } = pages
  const rest = mask & ~SEEN
  for (let i = 0; i < left; i++) if ((flags[unmarked[i]!]! & rest) !== rest) return false
  const isTouchedBelow = -Math.expm1(-count / range) * 2 ** 32
  let x = random.state
  for (let i = 0; i < left; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    if (x >>> 0 < isTouchedBelow) pages.mark(unmarked[i]!, 0)
  }
  random.state = x
  missed.page = -1
  return true
}

/** Touches `count` pages of [first, first + range) at random; returns how many it touched before one needed more than a mark. */
export const touchRandom = (pages: PageTable, random: Random, first: number, range: number, count: number, mask: number): number => {
  let done = 0
  while (done < count) {
    if (count - done >= range * looksFrom) {
      const left = lookForUnmarked(pages, first, range, mask, Math.floor(range * fewToTell))
      if (left >= 0 && tellSome(pages, random, range, count - done, mask, left)) return count
      if (left >= 0 && left <= range * fewAre) return done + touchUnmarked(pages, random, range, count - done, mask, left)
    }
    done += touchSome(pages, random, first, range, Math.min(count - done, touchesBetweenLooks * range), mask)
    if (missed.page >= 0) break
  }
  return done
}

const touchSome = (pages: PageTable, random: Random, first: number, range: number, count: number, mask: number): number => {
  const { flags } = pages
  const scale = range / 2 ** 32
  let x = random.state
  let done = 0
  missed.page = -1
  for (; done < count; done++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const page = first + (((x >>> 0) * scale) | 0)
    if ((flags[page]! & mask) === mask) continue
    if (!markSlow(pages, page, mask)) {
      missed.page = page
      break
    }
  }
  random.state = x
  return done
}

/** Touches `count` pages of [first, first + range) in order from `offset`, wrapping. */
export const touchSequential = (pages: PageTable, first: number, range: number, offset: number, count: number, mask: number): number => {
  const { flags } = pages
  let at = offset % range
  let done = 0
  missed.page = -1
  for (; done < count; done++) {
    const page = first + at
    if ((flags[page]! & mask) !== mask && !markSlow(pages, page, mask)) {
      missed.page = page
      break
    }
    if (++at === range) at = 0
  }
  return done
}

/** Touches pages `base + list[offset...]`. */
export const touchList = (pages: PageTable, base: number, list: ArrayLike<number>, offset: number, count: number, mask: number): number => {
  const { flags } = pages
  let done = 0
  missed.page = -1
  for (; done < count; done++) {
    const page = base + list[offset + done]!
    if ((flags[page]! & mask) !== mask && !markSlow(pages, page, mask)) {
      missed.page = page
      break
    }
  }
  return done
}

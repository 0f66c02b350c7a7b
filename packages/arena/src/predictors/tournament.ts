/**
 * The tournament: all its predictors watch the region and are scored on the side; in each zone of it the one that is winning speaks. Where none is
 * worth its restores, it declines: predicts nothing, goes on scoring, and comes back when one is. Is a predictor itself, one for each region.
 * The scores are those of the moments at which it is asked, so it must be asked regularly (on every tick, and after a restore on demand), also while
 * it declines. In a zone one winner speaks at a time: predictions for the same chunks are not mixed.
 */
import { byteLength, type Draft, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"
import { LastTouches, Score, scoreTouch, type ScoreOptions, type Tally } from "./Score.ts"
import { cutToZones, zoneCount } from "./zones.ts"

export interface TournamentOptions extends ScoreOptions {
  /** Settled predictions before a predictor can win. */
  readonly leastEvidence: number
  /** Accuracy from which a predictor may win, and below which a winner is dropped. */
  readonly enterAccuracy: number
  readonly leaveAccuracy: number
  /** The winner stays until another is worth this much more (worth is at most 1). */
  readonly hysteresis: number
  /** Chunks by which the members are judged, at most. */
  readonly judged: number
  /** Parts of the region that may listen to different predictors, at most 8. */
  readonly zones: number
}

export const defaultTournament: TournamentOptions = {
  marginMs: 10,
  leastConfidence: 0.3,
  leastEvidence: 32,
  enterAccuracy: 0.6,
  leaveAccuracy: 0.45,
  hysteresis: 0.05,
  judged: 1024,
  zones: 8
}

/**
 * While one wins, and after so many questions to which none was worth listening, the others are asked at every fourth question; those that are mostly
 * wrong at every eighth. They are given the time: what must begin before they are asked again begins at once.
 */
const challenged = 4
const seldom = 8
const resigned = 512

const settled = ({ inTime, late, wasted }: Tally): number => inTime + late + wasted

/** The share of needed restores that were ready, less what it cost: a wasted restore takes back half a good one, a late one a tenth. */
export const worth = ({ inTime, late, needed, wasted }: Tally): number =>
  needed === 0 ? (wasted > 0 ? -1 : 0) : Math.min(1, Math.max(-1, (inTime - wasted / 2 - late / 10) / needed))

export interface Standing {
  readonly name: string
  readonly total: Readonly<Tally>
  readonly recent: Readonly<Tally>
  readonly worth: number
}

export class Tournament implements Predictor {
  readonly name = "tournament"
  readonly #region: PredictedRegion
  readonly #options: TournamentOptions
  readonly #touched: LastTouches
  readonly #members: ReadonlyArray<{ readonly predictor: Predictor; readonly score: Score }>
  readonly #scores: ReadonlyArray<Score>
  /** Who speaks in each zone, -1 for nobody. */
  readonly #winners: Int8Array
  #switches = 0
  #questions = 0
  #decidedAt = 0

  constructor(region: PredictedRegion, kinds: ReadonlyArray<PredictorKind>, options: Partial<TournamentOptions> = {}) {
    this.#region = region
    this.#options = { ...defaultTournament, ...options }
    this.#touched = new LastTouches(region, this.#options.judged)
    const zones = Math.min(this.#options.zones, zoneCount(region.chunks))
    this.#winners = new Int8Array(zones).fill(-1)
    this.#members = kinds.map((kind) => ({ predictor: kind.make(region), score: new Score(region, this.#touched, this.#options, zones) }))
    this.#scores = this.#members.map(({ score }) => score)
  }

  /** Who speaks in each zone of the region, from its first chunks to its last; `undefined` where it declines. */
  get winners(): ReadonlyArray<string | undefined> {
    return Array.from(this.#winners, (winner) => this.#members[winner]?.predictor.name)
  }

  /** How often the winner of a zone has changed, declining included. */
  get switches(): number {
    return this.#switches
  }

  get standings(): ReadonlyArray<Standing> {
    return this.#members.map(({ predictor, score }) => ({
      name: predictor.name,
      total: score.total,
      recent: score.recent,
      worth: worth(score.recent)
    }))
  }

  readonly observe = (chunk: number, atMs: number, write: boolean): void => {
    if (!(chunk >= 0 && chunk < this.#region.chunks)) return
    this.#touched.begin(atMs)
    scoreTouch(this.#touched, this.#scores, chunk, atMs)
    for (const { predictor } of this.#members) predictor.observe(chunk, atMs, write)
  }

  readonly hint = (atMs: number): void => {
    for (const { predictor } of this.#members) predictor.hint(atMs)
  }

  readonly predict = (nowMs: number, horizonMs: number): ReadonlyArray<Prediction> => {
    this.#touched.begin(nowMs)
    for (let zone = 0; zone < this.#winners.length; zone++) this.#elect(zone)
    this.#questions++
    const isOpen = this.#questions - this.#decidedAt < resigned && this.#winners.includes(-1)
    const first = this.#winners[0]!
    const isUnanimous = this.#winners.every((winner) => winner === first)
    const spoken: Array<Draft> = []
    for (const [i, { predictor, score }] of this.#members.entries()) {
      const speaks = this.#winners.includes(i)
      const isPoor = score.recent.inTime < settled(score.recent) / 4 && settled(score.recent) >= this.#options.leastEvidence
      const every = speaks ? 1 : isPoor ? seldom : isOpen ? 1 : challenged
      if (this.#questions % every !== 0) continue
      const predictions = predictor.predict(nowMs, horizonMs)
      score.asked(nowMs, predictions, every * this.#options.marginMs)
      if (!speaks) continue
      if (isUnanimous) spoken.push(...predictions)
      else cutToZones(spoken, predictions, this.#winners, i, this.#region.chunks)
    }
    return spoken.length === 0 ? nothing : isUnanimous ? spoken : spoken.toSorted((a, b) => a.atMs - b.atMs)
  }

  get bytes(): number {
    return byteLength(this.#touched, ...this.#scores) + this.#members.reduce((sum, { predictor }) => sum + predictor.bytes, 0)
  }

  readonly explain = (): string => {
    const zones = this.#winners.length
    const lines = this.#members.flatMap(({ predictor, score }, i) => {
      const won = this.#winners.filter((winner) => winner === i).length
      if (won === 0) return []
      const { inTime, needed } = score.recent
      const accuracy = Math.round((100 * inTime) / Math.max(1, settled(score.recent)))
      const coverage = Math.round((100 * inTime) / Math.max(1, needed))
      const where = won === zones ? "" : ` in ${won} of ${zones} zones`
      return [`${predictor.name}${where} (accuracy ${accuracy} %, coverage ${coverage} %): ${predictor.explain()}`]
    })
    return lines.length === 0 ? "declines: no predictor is worth its restores here" : lines.join("; ")
  }

  /** What is known of a member in a zone: of the whole region, while it has said too little there. */
  #record(member: number, zone: number): Tally | undefined {
    const score = this.#members[member]?.score
    const there = score?.zones[zone]
    return there !== undefined && settled(there) >= this.#options.leastEvidence ? there : score?.recent
  }

  #elect(zone: number): void {
    const { enterAccuracy, hysteresis, leastEvidence, leaveAccuracy } = this.#options
    const before = this.#winners[zone]!
    let winner = before
    const incumbent = this.#record(before, zone)
    if (incumbent !== undefined && (incumbent.inTime < leaveAccuracy * settled(incumbent) || worth(incumbent) <= 0)) winner = -1
    let mostWorth = hysteresis + (winner < 0 ? 0 : worth(incumbent!))
    for (let i = 0; i < this.#members.length; i++) {
      const recent = this.#record(i, zone)!
      if (i === before || settled(recent) < leastEvidence || recent.inTime < enterAccuracy * settled(recent)) continue
      if (worth(recent) <= mostWorth) continue
      mostWorth = worth(recent)
      winner = i
    }
    if (winner === before) return
    this.#winners[zone] = winner
    this.#switches++
    this.#decidedAt = this.#questions
  }
}

export const tournament = (kinds: ReadonlyArray<PredictorKind>, options: Partial<TournamentOptions> = {}) => ({
  name: "tournament",
  summary: `Whichever of ${kinds.map(({ name }) => name).join(", ")} is winning in each part of the region; nothing where none is.`,
  make: (region: PredictedRegion) => new Tournament(region, kinds, options)
})

/**
 * The tournament: all its predictors watch the region and are scored on the side; the one that is winning speaks. When none is worth its restores,
 * it declines: predicts nothing, goes on scoring, and comes back when one is. Is a predictor itself, one for each region.
 * The scores are those of the moments at which it is asked, so it must be asked regularly (on every tick, and after a restore on demand), also while
 * it declines. One winner speaks at a time: predictions are not mixed.
 */
import { byteLength, nothing, type PredictedRegion, type Prediction, type Predictor, type PredictorKind } from "./Predictor.ts"
import { LastTouches, Score, scoreTouch, type ScoreOptions, type Tally } from "./Score.ts"

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
}

export const defaultTournament: TournamentOptions = {
  marginMs: 10,
  leastConfidence: 0.3,
  leastEvidence: 32,
  enterAccuracy: 0.6,
  leaveAccuracy: 0.45,
  hysteresis: 0.05,
  judged: 1024
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
  #winner = -1
  #switches = 0
  #questions = 0
  #decidedAt = 0

  constructor(region: PredictedRegion, kinds: ReadonlyArray<PredictorKind>, options: Partial<TournamentOptions> = {}) {
    this.#region = region
    this.#options = { ...defaultTournament, ...options }
    this.#touched = new LastTouches(region, this.#options.judged)
    this.#members = kinds.map((kind) => ({ predictor: kind.make(region), score: new Score(region, this.#touched, this.#options) }))
    this.#scores = this.#members.map(({ score }) => score)
  }

  /** The name of the predictor that speaks, `undefined` while it declines. */
  get winner(): string | undefined {
    return this.#members[this.#winner]?.predictor.name
  }

  /** How often the winner has changed, declining included. */
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
    this.#elect()
    let spoken = nothing
    this.#questions++
    const isOpen = this.#winner < 0 && this.#questions - this.#decidedAt < resigned
    for (const [i, { predictor, score }] of this.#members.entries()) {
      const isPoor = score.recent.inTime < settled(score.recent) / 4 && settled(score.recent) >= this.#options.leastEvidence
      const every = i === this.#winner ? 1 : isPoor ? seldom : isOpen ? 1 : challenged
      if (this.#questions % every !== 0) continue
      const predictions = predictor.predict(nowMs, horizonMs)
      score.asked(nowMs, predictions, every * this.#options.marginMs)
      if (i === this.#winner) spoken = predictions
    }
    return spoken
  }

  get bytes(): number {
    return byteLength(this.#touched, ...this.#scores) + this.#members.reduce((sum, { predictor }) => sum + predictor.bytes, 0)
  }

  readonly explain = (): string => {
    const member = this.#members[this.#winner]
    if (member === undefined) return "declines: no predictor is worth its restores here"
    const { inTime, needed } = member.score.recent
    const accuracy = Math.round((100 * inTime) / Math.max(1, settled(member.score.recent)))
    return `${member.predictor.name} (accuracy ${accuracy} %, coverage ${Math.round((100 * inTime) / Math.max(1, needed))} %): ${member.predictor.explain()}`
  }

  #elect(): void {
    const before = this.#winner
    const incumbent = this.#members[before]?.score.recent
    if (incumbent !== undefined && (incumbent.inTime < this.#options.leaveAccuracy * settled(incumbent) || worth(incumbent) <= 0))
      this.#winner = -1
    const current = this.#members[this.#winner]?.score.recent
    let mostWorth = current === undefined ? this.#options.hysteresis : worth(current) + this.#options.hysteresis
    for (const [i, { score }] of this.#members.entries()) {
      const { recent } = score
      if (i === this.#winner || settled(recent) < this.#options.leastEvidence) continue
      if (recent.inTime < this.#options.enterAccuracy * settled(recent) || worth(recent) <= mostWorth) continue
      mostWorth = worth(recent)
      this.#winner = i
    }
    if (this.#winner === before) return
    this.#switches++
    this.#decidedAt = this.#questions
  }
}

export const tournament = (kinds: ReadonlyArray<PredictorKind>, options: Partial<TournamentOptions> = {}) => ({
  name: "tournament",
  summary: `Whichever of ${kinds.map(({ name }) => name).join(", ")} is winning in the region; nothing if none is.`,
  make: (region: PredictedRegion) => new Tournament(region, kinds, options)
})

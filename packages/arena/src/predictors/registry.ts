/** The predictors by name, as `--predictor NAME` knows them. The oracle is not among them: it must be given a future. */
import { association } from "./association.ts"
import { delta } from "./delta.ts"
import { hinted } from "./hinted.ts"
import { markov } from "./markov.ts"
import { periodic } from "./periodic.ts"
import type { PredictorKind } from "./Predictor.ts"
import { nextK, none } from "./references.ts"
import { stride } from "./stride.ts"
import { tournament } from "./tournament.ts"

/** Those that learn, and compete in the tournament. */
export const competitors: ReadonlyArray<PredictorKind> = [stride, delta, markov, periodic, association, hinted]

export const predictors: ReadonlyArray<PredictorKind> = [tournament(competitors), ...competitors, none, nextK()]

export const findPredictor = (name: string): PredictorKind | undefined => predictors.find((kind) => kind.name === name)

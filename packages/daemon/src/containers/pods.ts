/**
 * Names, labels and annotations of pods from a `v1.PodList`, as the API server and the kubelet (`GET /pods`) give it.
 * Takes what it needs and leaves the rest; asks nobody. Format: Kubernetes API reference, v1.Pod.
 */
import { Result, Schema } from "effect"

const containerStatus = Schema.Struct({ name: Schema.String, containerID: Schema.optionalKey(Schema.String) })
const podList = Schema.Struct({
  items: Schema.Array(
    Schema.Struct({
      metadata: Schema.Struct({
        uid: Schema.String,
        name: Schema.String,
        namespace: Schema.String,
        labels: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
        annotations: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
      }),
      status: Schema.optionalKey(Schema.Struct({ containerStatuses: Schema.optionalKey(Schema.Array(containerStatus)) }))
    })
  )
})

export interface Pod {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Names of containers by id. */
  readonly containers: ReadonlyMap<string, string>
}

/** Pods by uid. */
export type Pods = ReadonlyMap<string, Pod>

/** `kubernetes.io/config.hash`: static pods are named by it in cgroups, not by the uid of their mirror. */
const staticUid = "kubernetes.io/config.hash"

const parseJson = (text: string): Result.Result<unknown, string> => {
  try {
    return Result.succeed(JSON.parse(text))
  } catch (error) {
    return Result.fail(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Fails with a phrase that says what is wrong with the text. */
export const readPods = (text: string): Result.Result<Pods, string> =>
  Result.flatMap(parseJson(text), (json) =>
    Result.mapBoth(Schema.decodeUnknownResult(podList)(json), {
      onFailure: (issue) => `it is no list of pods: ${issue.message.replace(/\s+/g, " ")}`,
      onSuccess: ({ items }) =>
        new Map(
          items.map(({ metadata: { annotations = {}, labels = {}, name, namespace, uid }, status }) => {
            const statuses = status?.containerStatuses ?? []
            // `containerd://<id>`
            const containers = new Map(
              statuses.flatMap((each) =>
                each.containerID === undefined ? [] : [[each.containerID.replace(/^.*:\/\//, ""), each.name] as const]
              )
            )
            return [annotations[staticUid] ?? uid, { uid, name, namespace, labels, annotations, containers }] as const
          })
        )
    })
  )

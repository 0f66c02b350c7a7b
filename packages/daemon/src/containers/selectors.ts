/**
 * Whether a group is what a rule's `kubernetes` selects, and what a pod or container is called for people. Pure.
 * A selector that asks for a name or label selects nothing while pods are known by uid alone.
 */
import type { ContainerGroup, QosClass } from "./cgroupNames.ts"
import type { Pods } from "./pods.ts"

type Matches = (text: string) => boolean

/** All that is named must hold. Without `container` it selects pods' own groups, with it those of their containers. */
export interface Selector {
  readonly qos: ReadonlyArray<QosClass> | undefined
  readonly namespace: Matches | undefined
  /** The pod's name, or its uid. */
  readonly pod: Matches | undefined
  readonly labels: ReadonlyArray<readonly [name: string, matches: Matches]>
  readonly annotations: ReadonlyArray<readonly [name: string, matches: Matches]>
  /** The container's name, or its id. */
  readonly container: Matches | undefined
}

export const selects = (selector: Selector, { containerId, pod: group }: ContainerGroup, pods: Pods): boolean => {
  if (group === undefined || (selector.container === undefined) !== (containerId === undefined)) return false
  const pod = pods.get(group.uid)
  if (selector.qos?.includes(group.qos) === false) return false
  if (selector.namespace !== undefined && (pod === undefined || !selector.namespace(pod.namespace))) return false
  if (selector.pod !== undefined && !selector.pod(group.uid) && (pod === undefined || !selector.pod(pod.name))) return false
  if (!selector.labels.every(([name, matches]) => pod?.labels[name] !== undefined && matches(pod.labels[name]))) return false
  if (!selector.annotations.every(([name, matches]) => pod?.annotations[name] !== undefined && matches(pod.annotations[name]))) return false
  if (selector.container === undefined || containerId === undefined) return true
  const name = pod?.containers.get(containerId)
  return selector.container(containerId) || (name !== undefined && selector.container(name))
}

/** `prod/web-1 (burstable)`, `prod/web-1/nginx (burstable)`; by uid and id where names are not known. */
export const nameOf = ({ containerId, pod: group, runtime }: ContainerGroup, pods: Pods): string => {
  const short = containerId?.slice(0, 12)
  if (group === undefined) return `${runtime ?? "container"} ${short ?? ""}`.trim()
  const pod = pods.get(group.uid)
  const container = containerId === undefined ? undefined : (pod?.containers.get(containerId) ?? short)
  const name = pod === undefined ? `pod ${group.uid}` : `${pod.namespace}/${pod.name}`
  return `${name}${container === undefined ? "" : `/${container}`} (${group.qos})`
}

/**
 * What the path of a cgroup says of a container: its pod's uid and QoS class, its id and its runtime, under the systemd and the cgroupfs driver of the
 * kubelet, and of Docker, Podman, CRI-O and containerd without one. Pure; reads no file and asks no runtime.
 * Formats: kubelet's cgroup manager (pkg/kubelet/cm/cgroup_manager_linux.go: in systemd names `-` of a uid is `_`); scope names of the runtimes.
 */

export type QosClass = "guaranteed" | "burstable" | "besteffort"
export type Runtime = "containerd" | "cri-o" | "docker" | "podman"

export interface PodGroup {
  readonly uid: string
  readonly qos: QosClass
}

export interface ContainerGroup {
  /** Undefined where no kubelet is above it. */
  readonly pod: PodGroup | undefined
  /** Undefined: the group is the pod's own. */
  readonly containerId: string | undefined
  /** Undefined where the path does not tell (cgroupfs). */
  readonly runtime: Runtime | undefined
}

const scopes: ReadonlyArray<readonly [prefix: string, runtime: Runtime]> = [
  ["cri-containerd", "containerd"],
  ["crio", "cri-o"],
  ["docker", "docker"],
  ["libpod", "podman"]
]
const hexId = /^[0-9a-f]{64}$/
const scopeName = /^([a-z]+(?:-[a-z]+)?)-([0-9a-f]{64})\.scope$/
const uid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}"
const podSlice = new RegExp(`^(?:.*-)?kubepods(?:-(burstable|besteffort))?-pod(${uid})\\.slice$`)
const podDirectory = new RegExp(`^pod(${uid})$`)

/** The pod whose own group has this name; its parent's name tells the QoS class under cgroupfs. */
const podOf = (name: string, parent: string | undefined): PodGroup | undefined => {
  const slice = podSlice.exec(name.replaceAll("_", "-"))
  if (slice !== null) return { uid: slice[2]!, qos: (slice[1] as QosClass | undefined) ?? "guaranteed" }
  const directory = podDirectory.exec(name)
  if (directory === null) return undefined
  if (parent === "kubepods") return { uid: directory[1]!, qos: "guaranteed" }
  return parent === "burstable" || parent === "besteffort" ? { uid: directory[1]!, qos: parent } : undefined
}

/**
 * The pod or container whose group this is; undefined for groups of neither. What is below a container (systemd in it, nested runtimes) is neither,
 * `init` of CRI-O's conmon too.
 */
export const containerOf = (group: string): ContainerGroup | undefined => {
  const parts = group.split("/").filter(Boolean)
  const name = parts.at(-1)
  if (name === undefined) return undefined
  const own = podOf(name, parts.at(-2))
  if (own !== undefined) return { pod: own, containerId: undefined, runtime: undefined }
  const pod = parts.length < 2 ? undefined : podOf(parts.at(-2)!, parts.at(-3))
  const scope = scopeName.exec(name)
  const runtime = scopes.find(([prefix]) => prefix === scope?.[1])?.[1]
  if (scope !== null && runtime !== undefined) return { pod, containerId: scope[2]!, runtime }
  if (!hexId.test(name)) return undefined
  if (pod !== undefined) return { pod, containerId: name, runtime: undefined }
  return parts.at(-2) === "docker" ? { pod: undefined, containerId: name, runtime: "docker" } : undefined
}

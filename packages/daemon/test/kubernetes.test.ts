/** The manifests of `deploy/kubernetes`: they parse, what refers to something refers to what is there, the configuration in them is one, and nothing more is asked for than is used. */
import { assert, describe, it } from "@effect/vitest"
import { policies } from "@wmo/policies"
import { Result } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseAllDocuments } from "yaml"
import { checkConfig, type Config, planGroups, readPods } from "../src/index.ts"

const deploy = join(import.meta.dirname, "../../../deploy")
const directory = join(deploy, "kubernetes")

interface Named {
  readonly name: string
}
type Mount = Named & { readonly mountPath: string }
interface Container extends Named {
  readonly image: string
  readonly ports: ReadonlyArray<Named & { readonly containerPort: number }>
  readonly env: ReadonlyArray<Named>
  readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } }
  readonly resources: { readonly requests: unknown; readonly limits: unknown }
  readonly securityContext: {
    readonly capabilities: unknown
    readonly readOnlyRootFilesystem: boolean
    readonly allowPrivilegeEscalation: boolean
  }
  readonly volumeMounts: ReadonlyArray<Mount>
}
type Volume = Named & { readonly configMap?: Named; readonly hostPath?: { readonly path: string } }
interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: Named & { readonly namespace?: string }
  readonly [key: string]: any
}

const manifests = readdirSync(directory).flatMap((file) =>
  parseAllDocuments(readFileSync(join(directory, file), "utf8")).map((document) => {
    assert.deepStrictEqual([...document.errors, ...document.warnings], [], file)
    return document.toJS() as Manifest
  })
)
const the = (kind: string): Manifest => {
  const found = manifests.filter((each) => each.kind === kind)
  assert.lengthOf(found, 1, kind)
  return found[0]!
}
const pod = the("DaemonSet")["spec"].template
const container: Container = pod.spec.containers[0]
const config: Config = Result.getOrThrow(
  checkConfig(the("ConfigMap")["data"]["wmod.yaml"], { file: "/etc/wmo/wmod.yaml", policies, stateDirectory: "/run/wmo" })
)
const mountedAt = (path: string): boolean =>
  container.volumeMounts.some(({ mountPath }) => path === mountPath || path.startsWith(`${mountPath}/`))

describe("the manifests for Kubernetes", () => {
  it("have a kind, a version, a name, and the namespace that they make", () => {
    const namespace = the("Namespace").metadata.name
    const clusterWide = ["Namespace", "ClusterRole", "ClusterRoleBinding", "PriorityClass"]
    for (const { apiVersion, kind, metadata } of manifests) {
      assert.match(apiVersion, /^(?:[a-z0-9.]+\/)?v\d/)
      assert.match(metadata.name, /^[a-z0-9-]+$/)
      assert.strictEqual(metadata.namespace, clusterWide.includes(kind) ? undefined : namespace, kind)
    }
  })

  it("refer to what is there", () => {
    const { roleRef, subjects } = the("ClusterRoleBinding")
    const account = the("ServiceAccount").metadata
    assert.strictEqual(roleRef.name, the("ClusterRole").metadata.name)
    assert.deepStrictEqual(subjects, [{ kind: "ServiceAccount", ...account }])
    assert.strictEqual(pod.spec.serviceAccountName, account.name)
    assert.strictEqual(pod.spec.priorityClassName, the("PriorityClass").metadata.name)
    const volumes: ReadonlyArray<Volume> = pod.spec.volumes
    assert.sameMembers(
      container.volumeMounts.map(({ name }) => name),
      volumes.map(({ name }) => name)
    )
    assert.strictEqual(volumes.find(({ configMap }) => configMap !== undefined)?.configMap?.name, the("ConfigMap").metadata.name)
    const { matchLabels } = the("DaemonSet")["spec"].selector
    assert.deepStrictEqual(pod.metadata.labels, matchLabels)
    assert.deepStrictEqual(the("PodMonitor")["spec"].selector.matchLabels, matchLabels)
    const [port] = container.ports
    assert.strictEqual(container.livenessProbe.httpGet.port, port!.name)
    assert.strictEqual(the("PodMonitor")["spec"].podMetricsEndpoints[0].port, port!.name)
    assert.strictEqual(config.http?.port, port!.containerPort)
    assert.strictEqual(pod.metadata.annotations["prometheus.io/port"], String(port!.containerPort))
    const { version } = JSON.parse(readFileSync(join(deploy, "../apps/daemon/package.json"), "utf8"))
    assert.strictEqual(container.image, `wmo:${version}`)
    assert.include(readFileSync(join(deploy, "Dockerfile"), "utf8"), `ARG VERSION=${version}\n`)
  })

  it("hold a configuration whose files, variables and paths the pod has", () => {
    assert.isTrue(config.dryRun)
    const source = config.pods
    assert.isTrue(source !== undefined && "url" in source)
    if (source === undefined || !("url" in source)) return
    const variables = [...source.url.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name)
    assert.deepStrictEqual(
      variables,
      container.env.map(({ name }) => name)
    )
    assert.match(source.tokenFile!, /^\/var\/run\/secrets\/kubernetes\.io\/serviceaccount\//)
    for (const path of [config.file, config.recording!.directory, config.stateDirectory, "/sys/fs/cgroup", "/sys/kernel/debug/lru_gen"])
      assert.isTrue(mountedAt(path), path)
    assert.include(readFileSync(join(deploy, "Dockerfile"), "utf8"), config.file)
  })

  it("ask for no more than is used", () => {
    const { allowPrivilegeEscalation, capabilities, readOnlyRootFilesystem } = container.securityContext
    assert.deepStrictEqual([allowPrivilegeEscalation, capabilities, readOnlyRootFilesystem], [false, { drop: ["ALL"] }, true])
    assert.deepStrictEqual(the("ClusterRole")["rules"], [{ apiGroups: [""], resources: ["pods"], verbs: ["list"] }])
    for (const key of ["hostNetwork", "hostPID", "hostIPC"]) assert.notProperty(pod.spec, key)
  })

  it("make wmod's own pod Guaranteed, which it leaves alone; pods by class, label and annotation", () => {
    assert.deepStrictEqual(container.resources.limits, container.resources.requests)
    const uid = (n: number) => `0a1b2c3d-1111-2222-3333-44445555666${n}`
    const listed = (n: number, more: object) => ({ metadata: { uid: uid(n), name: `p${n}`, namespace: "prod", ...more } })
    const pods = Result.getOrThrow(
      readPods(
        JSON.stringify({
          items: [
            listed(1, { annotations: { "wmo.dev/policy": "none" } }),
            listed(2, {}),
            listed(3, { labels: { "wmo.dev/tier": "cache" } }),
            listed(4, { namespace: "kube-system" }),
            listed(5, {})
          ]
        })
      )
    )
    const groups = ["burstable", "burstable", "besteffort", "burstable", "besteffort"].map((qos, i) => `kubepods/${qos}/pod${uid(i + 1)}`)
    const guaranteed = `kubepods/pod${uid(6)}`
    const plans = planGroups({ config, groups: [...groups, guaranteed], pods, own: [], time: { day: "mon", minutes: 0 } })
    assert.deepStrictEqual(
      groups.map((group) => plans.get(group)?.plan?.policy.name),
      ["none", "slo", "cache-cap", undefined, "watermark"]
    )
    assert.isUndefined(plans.get(guaranteed)?.plan)
  })
})

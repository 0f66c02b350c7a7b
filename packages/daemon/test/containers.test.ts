import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { containerOf, readPods } from "../src/index.ts"
import { nameOf } from "../src/containers/selectors.ts"

const id = "3f".repeat(32)
const uid = "0a1b2c3d-1111-2222-3333-444455556666"
const flat = uid.replaceAll("-", "_")

describe("names of containers' cgroups", () => {
  it.each([
    // systemd driver
    [`kubepods.slice/kubepods-pod${flat}.slice`, { qos: "guaranteed" }, undefined, undefined],
    [`kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${flat}.slice`, { qos: "burstable" }, undefined, undefined],
    [
      `kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${flat}.slice/cri-containerd-${id}.scope`,
      { qos: "besteffort" },
      id,
      "containerd"
    ],
    [`kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${flat}.slice/crio-${id}.scope`, { qos: "burstable" }, id, "cri-o"],
    [`kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${flat}.slice/docker-${id}.scope`, { qos: "guaranteed" }, id, "docker"],
    // cgroupfs driver
    [`kubepods/burstable/pod${uid}`, { qos: "burstable" }, undefined, undefined],
    [`kubepods/pod${uid}/${id}`, { qos: "guaranteed" }, id, undefined],
    [`kubepods/besteffort/pod${uid}/${id}`, { qos: "besteffort" }, id, undefined],
    // no kubelet
    [`system.slice/docker-${id}.scope`, undefined, id, "docker"],
    [`docker/${id}`, undefined, id, "docker"],
    [`machine.slice/libpod-${id}.scope`, undefined, id, "podman"],
    [`user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${id}.scope`, undefined, id, "podman"]
  ])("%s", (group, pod, containerId, runtime) => {
    assert.deepStrictEqual(containerOf(group), {
      pod: pod === undefined ? undefined : { uid, ...pod },
      containerId,
      runtime
    } as ReturnType<typeof containerOf>)
  })

  it.each([
    "",
    "system.slice/ssh.service",
    "kubepods.slice",
    "kubepods.slice/kubepods-burstable.slice",
    `kubepods/burstable/pod${uid}/${id}/nested`,
    `kubepods.slice/kubepods-pod${flat}.slice/crio-conmon-${id}.scope`,
    `somewhere/${id}`,
    `other/pod${uid}`,
    `system.slice/unknown-${id}.scope`
  ])("%j is neither pod nor container", (group) => assert.isUndefined(containerOf(group)))
})

describe("a list of pods", () => {
  const list = {
    kind: "PodList",
    items: [
      {
        metadata: { uid, name: "web-1", namespace: "prod", labels: { app: "web" }, more: 1 },
        spec: {},
        status: { containerStatuses: [{ name: "nginx", containerID: `containerd://${id}`, ready: true }] }
      },
      {
        metadata: { uid: "mirror", name: "etcd", namespace: "kube-system", annotations: { "kubernetes.io/config.hash": "ab".repeat(16) } }
      }
    ]
  }
  const pods = Result.getOrThrow(readPods(JSON.stringify(list)))

  it("names pods and containers, static pods by the hash that their groups have", () => {
    const group = `kubepods/burstable/pod${uid}`
    assert.strictEqual(nameOf(containerOf(group)!, pods), "prod/web-1 (burstable)")
    assert.strictEqual(nameOf(containerOf(`${group}/${id}`)!, pods), "prod/web-1/nginx (burstable)")
    assert.strictEqual(nameOf(containerOf(`kubepods/burstable/pod${"ab".repeat(16)}`)!, pods), "kube-system/etcd (burstable)")
  })

  it("without it, uid and id are the names", () => {
    assert.strictEqual(nameOf(containerOf(`kubepods/pod${uid}/${id}`)!, new Map()), `pod ${uid}/3f3f3f3f3f3f (guaranteed)`)
    assert.strictEqual(nameOf(containerOf(`docker/${id}`)!, new Map()), "docker 3f3f3f3f3f3f")
  })

  it.each([
    ["{", /not JSON/],
    ["[]", /no list of pods/],
    ['{"items":[{"metadata":{"uid":1}}]}', /no list of pods/]
  ])("%j is refused", (text, why) => {
    const answer = readPods(text)
    assert.match(Result.isFailure(answer) ? answer.failure : "", why)
  })
})

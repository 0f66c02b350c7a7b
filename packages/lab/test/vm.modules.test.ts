import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { guestModules, moduleName, moduleOrder, parseModulesBuiltin, parseModulesDep } from "../src/vm/KernelModules.ts"
import { compareVersions, imageVersion, isOfSeries } from "../src/vm/KernelTree.ts"
import { pickKernelPackage } from "../src/vm/VmInstall.ts"

const dep = parseModulesDep(`kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz
kernel/fs/netfs/netfs.ko.xz:
kernel/lib/lz4/lz4_compress.ko.xz:
kernel/crypto/lz4.ko.xz: kernel/lib/lz4/lz4_compress.ko.xz
kernel/fs/overlayfs/overlay.ko.xz:
alias symbol:foo bar
`)
const builtin = parseModulesBuiltin(
  "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/char/virtio_console.ko\nkernel/crypto/lzo-rle.ko\n"
)

describe("kernel modules", () => {
  it("names modules as the kernel does", () => {
    assert.strictEqual(moduleName("kernel/drivers/char/hw_random/virtio-rng.ko.xz"), "virtio_rng")
    assert.strictEqual(moduleName("kernel/fs/9p/9p.ko"), "9p")
  })

  it("puts every module after what it depends on, each once, without what is built in", () => {
    const order = Result.getOrThrow(moduleOrder(dep, builtin, guestModules({ zswap: "lz4", zram: false }))).map(moduleName)
    assert.deepStrictEqual(order, ["netfs", "9pnet", "9pnet_virtio", "9p", "overlay", "lz4_compress", "lz4"])
  })

  it("takes a compressor that is built in under its other spelling", () => {
    assert.isTrue(Result.isSuccess(moduleOrder(dep, builtin, guestModules({ zswap: "lzo-rle", zram: false }))))
  })

  it("names a required module that the kernel lacks", () => {
    const order = moduleOrder(dep, builtin, guestModules({ zswap: "lz4", zram: true }))
    assert.isTrue(Result.isFailure(order) && order.failure.reason === "KernelLacks" && order.failure.message.includes("no module zram"))
  })

  it("ends on a dependency cycle", () => {
    const cyclic = parseModulesDep("a.ko: b.ko\nb.ko: a.ko\n")
    assert.strictEqual(Result.getOrThrow(moduleOrder(cyclic, new Set(), { required: ["a"], optional: [] })).length, 2)
  })
})

describe("kernels", () => {
  it("reads the version out of a boot image", () => {
    const image = Buffer.alloc(0x1000)
    image.write("HdrS", 0x202)
    image.writeUInt16LE(0x400, 0x20e)
    image.write("6.12.117+deb12-amd64 (debian-kernel@lists.debian.org) #1\0", 0x600)
    assert.strictEqual(imageVersion(image), "6.12.117+deb12-amd64")
    assert.isUndefined(imageVersion(Buffer.from("root:x:0:0")))
  })

  it("tells series apart and orders versions by number", () => {
    assert.isTrue(isOfSeries("6.12.117+deb12-amd64", "6.12"))
    assert.isFalse(isOfSeries("6.12.117+deb12-amd64", "6.1"))
    assert.isAbove(compareVersions("6.1.0-56-amd64", "6.1.0-9-amd64"), 0)
    assert.isAbove(compareVersions("6.12.9", "6.9.12"), 0)
  })

  it("picks the newest full kernel package, unsigned before signed", () => {
    const listing = `linux-image-6.12.99+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs
linux-image-6.12.117+deb12-cloud-amd64-unsigned - Linux 6.12 for x86-64 cloud
linux-image-6.12.117+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.12.117+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs
linux-image-6.12.118+deb12-rt-amd64 - Linux 6.12 for 64-bit PCs, PREEMPT_RT
linux-image-6.12.118+deb12-amd64-dbg - Debug symbols for linux-image-6.12.118+deb12-amd64
linux-image-6.1.0-56-amd64 - Linux 6.1 for 64-bit PCs (signed)`
    assert.strictEqual(pickKernelPackage(listing, "6.12"), "linux-image-6.12.117+deb12-amd64-unsigned")
    assert.strictEqual(pickKernelPackage(listing, "6.1"), "linux-image-6.1.0-56-amd64")
    assert.isUndefined(pickKernelPackage(listing, "5.10"))
  })
})

/**
 * Writes cpio archives in the `newc` format, the one the Linux kernel unpacks as its initramfs.
 * It writes files, directories and symbolic links owned by root, with a fixed time stamp: same input, same bytes.
 * Format: Documentation/driver-api/early-userspace/buffer-format.rst; all fields are 8 hexadecimal digits.
 */

export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode?: number }
  | { readonly kind: "file"; readonly path: string; readonly data: Uint8Array; readonly mode?: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string }

const typeBits = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const
const defaultModes = { directory: 0o755, file: 0o644, link: 0o777 } as const
const none = new Uint8Array(0)

const padded = (bytes: Buffer): Buffer => {
  const rest = bytes.length % 4
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(4 - rest)])
}

const record = (inode: number, mode: number, links: number, name: string, data: Uint8Array): Buffer => {
  const nameBytes = Buffer.from(`${name}\0`)
  const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, 0, 0, nameBytes.length, 0]
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), nameBytes])), padded(Buffer.from(data))])
}

/** The whole archive with its trailer. Paths are relative to the root, without a leading slash; parents come before their children. */
export const cpio = (entries: ReadonlyArray<CpioEntry>): Buffer =>
  Buffer.concat([
    ...entries.map((entry, index) => {
      const mode = (entry.kind === "link" ? undefined : entry.mode) ?? defaultModes[entry.kind]
      const data = entry.kind === "file" ? entry.data : entry.kind === "link" ? Buffer.from(entry.target) : none
      return record(index + 1, typeBits[entry.kind] | mode, entry.kind === "directory" ? 2 : 1, entry.path, data)
    }),
    record(0, 0, 1, "TRAILER!!!", none)
  ])

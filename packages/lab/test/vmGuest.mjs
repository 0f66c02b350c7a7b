/**
 * What the kernel suite runs inside the guest: a megabyte of known bytes on standard output, sums of input and output on standard error,
 * a SQLite database with a write-ahead log in the shared directory, and a look at the kernel's files. Ends with code 41, or as told.
 */
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

const sum = (data) => createHash("sha256").update(data).digest("hex")
const read = (path) => readFileSync(path, "utf8").trim()

const bytes = Buffer.alloc(2 ** 20)
for (let index = 0, state = 1; index < bytes.length; index++) {
  state = (state * 1103515245 + 12345) & 0x7fffffff
  bytes[index] = state >> 16
}
for (let at = 0; at < bytes.length;) at += writeSync(1, bytes, at)

const database = new DatabaseSync(join(process.env.WMO_OUT, "run.db"))
database.exec("create table if not exists seen (n integer)")
const mode = database.prepare("pragma journal_mode = wal").get().journal_mode
for (let n = 0; n < 20; n++) database.prepare("insert into seen values (?)").run(n)

const report = {
  sum: sum(bytes),
  input: sum(readFileSync(0)),
  mode,
  words: process.argv.slice(3),
  cwd: process.cwd(),
  odd: process.env.ODD,
  release: read("/proc/sys/kernel/osrelease"),
  controllers: read("/sys/fs/cgroup/cgroup.subtree_control").split(" "),
  compressor: read("/sys/module/zswap/parameters/compressor"),
  enabled: read("/sys/module/zswap/parameters/enabled"),
  swaps: read("/proc/swaps").split("\n").length - 1
}
writeSync(2, JSON.stringify(report))
if (process.argv[2] === "panic") writeFileSync("/proc/sysrq-trigger", "c")
process.exitCode = 41

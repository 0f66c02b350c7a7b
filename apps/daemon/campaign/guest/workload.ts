/**
 * A group with a process that holds memory, touches some of it and forks now and then: perl, since it is there everywhere and starts at once even under
 * emulation. A quarter of each page is random, so that it compresses about as real memory does. For tests and the soak; measures nothing.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const root = "/sys/fs/cgroup"
const mib = 2 ** 20

/** Arguments: cgroup.procs, MiB, MiB that are touched, seed, seconds between forks (0: none), seconds to live (0: until killed). */
const program = `
use strict; my ($procs, $mib, $hot, $seed, $forkEvery, $life) = @ARGV;
open(my $f, ">", $procs) or exit 1; print $f $$; close $f;
srand($seed); $SIG{CHLD} = "IGNORE";
my $block = join "", map { pack("L*", map { int rand 4294967295 } 1..256) . ("\\0" x 3072) } 1..256;
my $memory = $block x $mib; my $pages = $hot * 256; my $end = $life ? time + $life : 0; my $fork = time + $forkEvery;
while (1) {
  for (my $p = 0; $p < $pages; $p += 4) { substr($memory, $p * 4096, 1) = "x" }
  select(undef, undef, undef, 0.25);
  exit 0 if $end && time >= $end;
  if ($forkEvery && time >= $fork) {
    $fork = time + $forkEvery;
    if (!fork) { my $own = $block x 4; select(undef, undef, undef, 0.1 + rand 3); require POSIX; POSIX::_exit(0) }
  }
}`

export interface WorkloadOptions {
  readonly mib: number
  /** Of these, touched four times a second. */
  readonly hotMib: number
  readonly seed: number
  /** 0: never. */
  readonly forkEverySeconds?: number
  /** 0: until it is killed. */
  readonly lifeSeconds?: number
}

export const groupFile = (group: string, file: string): string => join(root, group, file)
export const readGroup = (group: string, file: string): string => readFileSync(groupFile(group, file), "utf8").trim()

/** Makes the group unless it is there, and starts a process in it. */
export const startWorkload = (group: string, options: WorkloadOptions): void => {
  if (!existsSync(join(root, group))) mkdirSync(join(root, group))
  const { forkEverySeconds = 0, hotMib, lifeSeconds = 0, mib: size, seed } = options
  const args = [groupFile(group, "cgroup.procs"), size, hotMib, seed, forkEverySeconds, lifeSeconds].map(String)
  spawn("perl", ["-e", program, ...args], { stdio: "ignore" }).unref()
}

/** Waits until the group holds so much, at most a while; says whether it does. */
const isHolding = async (group: string, bytes: number, tries = 300): Promise<boolean> => {
  for (let i = 0; i < tries; i++) {
    if (existsSync(join(root, group)) && Number(readGroup(group, "memory.current")) >= bytes) return true
    await sleep(100)
  }
  return false
}

/** Most that is waited for: wmod may hold a group that it has found small at that. */
const enoughMib = 6

/** A group with a process that takes so much memory, of which an eighth is in use; waits until it holds some. */
export const occupy = async (group: string, size: number, seed = 1): Promise<void> => {
  startWorkload(group, { mib: size, hotMib: Math.ceil(size / 8), seed })
  if (!(await isHolding(group, Math.min(size * 0.9, enoughMib) * mib))) throw new Error(`${group} does not fill up`)
}

const isEmpty = (group: string): boolean => /^populated 0$/m.test(readGroup(group, "cgroup.events"))

/** Kills what is in the group. */
export const killAll = async (group: string): Promise<void> => {
  if (!existsSync(join(root, group))) return
  writeFileSync(groupFile(group, "cgroup.kill"), "1")
  for (let i = 0; i < 300 && !isEmpty(group); i++) await sleep(20)
}

/** Kills what is in the group, and removes it. */
export const removeGroup = async (group: string): Promise<void> => {
  await killAll(group)
  for (let i = 0; i < 100 && existsSync(join(root, group)); i++) {
    try {
      rmdirSync(join(root, group))
    } catch {
      await sleep(50)
    }
  }
}

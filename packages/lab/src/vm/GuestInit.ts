/**
 * The scripts that the guest runs, as text. Stage one, in the initramfs: modules, the host's file system read-only over 9p, an overlay
 * on it. Stage two, in that root: kernel file systems, cgroup v2, zswap, swap, then the command. Both run under a static busybox, never
 * under the host's shell. Nothing here starts or parses anything; the words it says on the ports are `GuestProtocol`'s.
 */
import type { Bytes } from "@wmo/core"
import type { VmSwap, VmThp } from "./VmOptions.ts"
import { failPrefix, ports } from "./GuestProtocol.ts"

/** Where the scripts live once the host's file system is the root. */
const home = "/run/wmo-vm"

export interface GuestJob {
  /** The program by its full path, and its arguments. */
  readonly command: readonly [string, ...Array<string>]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly zswap: string | undefined
  readonly swap: VmSwap
  readonly thp: VmThp
  /** The directory shared for writing, as an absolute path. */
  readonly out: string | undefined
  /** What ends a stream: never part of the output. */
  readonly marker: string
  /** `ports`: output by virtio ports. `console`: on the terminal of the serial console, of that size. */
  readonly terminal:
    | { readonly kind: "ports"; readonly stdin: boolean }
    | { readonly kind: "console"; readonly rows: number; readonly columns: number }
}

/** One word for a POSIX shell, whatever is in it. (A NUL cannot be: no argument has one.) */
export const shellQuote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** `/init` of the initramfs. */
export const stageOne = (): string => `#!/bin/busybox sh
B=/bin/busybox
fail() { echo "${failPrefix}$*" >/dev/console; $B sleep 1; $B poweroff -f; }
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
  [ -e "$module" ] || continue
  $B insmod "$module" || fail "module \${module##*/} does not load"
done
$B mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose ${ports.root} /host || fail "cannot mount the host's file system"
$B mount -t tmpfs upper /upper && $B mkdir /upper/data /upper/work
$B mount -t overlay -o lowerdir=/host,upperdir=/upper/data,workdir=/upper/work overlay /root || fail "cannot put an overlay on the host's file system"
for dir in proc sys dev run/wmo-vm; do $B mkdir -p /root/$dir; done
$B cp /bin/busybox /stage2 /root${home}/ || fail "no room in memory for the scripts of the guest"
$B mount -t proc proc /root/proc
$B mount -t sysfs sys /root/sys
$B mount -t devtmpfs dev /root/dev
$B umount /proc
$B umount /sys
$B umount /dev
exec $B switch_root /root ${home}/busybox sh ${home}/stage2
`

const zswapLines = (compressor: string | undefined): string =>
  compressor === undefined
    ? `[ -e $Z/enabled ] && echo N >$Z/enabled`
    : `[ -d $Z ] || fail "this kernel has no zswap: take another one with --kernel, or run with --zswap off"
[ -e $Z/zpool ] && echo zsmalloc >$Z/zpool
echo ${compressor} >$Z/compressor
echo Y >$Z/enabled
[ "$($B cat $Z/compressor)" = ${compressor} ] || fail "this kernel's zswap does not take the compressor ${compressor}"
[ "$($B cat $Z/enabled)" = Y ] || fail "zswap does not come on"`

const swapLines = (size: Bytes): string => `[ -e /sys/block/zram0 ] || fail "no zram device in this kernel"
echo ${size} >/sys/block/zram0/disksize || fail "zram does not take a size of ${size} bytes"
$B mkswap /dev/zram0 >/dev/null && $B swapon /dev/zram0 || fail "cannot swap to zram"`

const thpLines = (mode: VmThp): string => `T=/sys/kernel/mm/transparent_hugepage/enabled
[ -e $T ] && { echo ${mode} >$T || fail "this kernel does not take transparent huge pages ${mode}"; }`

const outLines = (out: string): string => `OUT=${shellQuote(out)}
$B mkdir -p "$OUT" && $B mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=512000,cache=mmap ${ports.out} "$OUT" || fail "cannot mount $OUT"`

const environment = (job: GuestJob): string =>
  Object.entries(job.env)
    .map(([name, value]) => shellQuote(`${name}=${value}`))
    .join(" ")

/** Runs the command with its output on the ports, through pipes: a port opens only once, and programs treat a pipe as they should. */
const runOnPorts = (job: GuestJob, stdin: boolean, words: string): string => `$B mkfifo $D/in $D/out $D/err
$B cat <$D/out >$(port ${ports.stdout}) &
$B cat <$D/err >$(port ${ports.stderr}) &
exec 7>$D/out 8>$D/err
${
  stdin
    ? `(
  exec 6<$(port ${ports.stdin})
  while read -r length <&6 && [ "$length" -gt 0 ]; do $B dd bs="$length" count=1 iflag=fullblock status=none <&6 || break; done
) 7>&- 8>&- 9>&- >$D/in 2>/dev/null &
INPUT=$D/in`
    : `INPUT=/dev/null`
}
echo run >&9
(
  echo 0 >/proc/self/oom_score_adj
  cd ${shellQuote(job.cwd)} || exit 126
  exec $B env -i ${environment(job)} ${words}
) <$INPUT >&7 2>&8 7>&- 8>&- 9>&-
CODE=$?
$B sync
$B printf %s ${job.marker} >&7
$B printf %s ${job.marker} >&8`

const runOnConsole = (
  job: GuestJob,
  rows: number,
  columns: number,
  words: string
): string => `# Our own terminal turns newlines into carriage return and newline.
$B stty -F /dev/ttyS0 rows ${rows} cols ${columns} sane -onlcr
$B printf %s ${job.marker} >/dev/ttyS0
echo run >&9
(
  echo 0 >/proc/self/oom_score_adj
  cd ${shellQuote(job.cwd)} || exit 126
  exec $B setsid -c $B env -i ${environment(job)} ${words}
) </dev/ttyS0 >/dev/ttyS0 2>&1 9>&-
CODE=$?
$B sync
$B printf %s ${job.marker} >/dev/ttyS0`

/** The script of the second stage for one job. */
export const stageTwo = (job: GuestJob): string => {
  const words = job.command.map(shellQuote).join(" ")
  return `D=${home}
B=$D/busybox
Z=/sys/module/zswap/parameters
fail() { echo "${failPrefix}$*" >/dev/console; $B sleep 1; $B poweroff -f; }
port() {
  while :; do
    for named in /sys/class/virtio-ports/*; do
      [ "$($B cat $named/name 2>/dev/null)" = "$1" ] && [ -e /dev/\${named##*/} ] && echo /dev/\${named##*/} && return
    done
    $B sleep 0.05
  done
}
echo -1000 >/proc/self/oom_score_adj
$B mkdir -p /dev/pts /dev/shm
$B mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
$B mount -t tmpfs -o mode=1777 shm /dev/shm
[ -e /dev/fd ] || $B ln -s /proc/self/fd /dev/fd
[ -e /dev/stdin ] || $B ln -s /proc/self/fd/0 /dev/stdin
[ -e /dev/stdout ] || $B ln -s /proc/self/fd/1 /dev/stdout
[ -e /dev/stderr ] || $B ln -s /proc/self/fd/2 /dev/stderr
$B mount -t debugfs debugfs /sys/kernel/debug
$B mount -t tracefs tracefs /sys/kernel/tracing
C=/sys/fs/cgroup
$B mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 $C || $B mount -t cgroup2 cgroup2 $C || fail "this kernel has no cgroup v2"
for controller in memory cpu io pids; do
  case " $($B cat $C/cgroup.controllers) " in *" $controller "*) echo +$controller >$C/cgroup.subtree_control ;; esac
done
$B hostname wmo-vm
# As systemd sets them: the kernel's own hard limit of 4,096 open files is what no service sees.
ulimit -Hn 524288
$B ip link set lo up
${thpLines(job.thp)}
${zswapLines(job.zswap)}
${job.swap.kind === "zram" ? swapLines(job.swap.size) : ""}
${job.out === undefined ? "" : outLines(job.out)}
exec 9>$(port ${ports.control})
${job.terminal.kind === "ports" ? runOnPorts(job, job.terminal.stdin, words) : runOnConsole(job, job.terminal.rows, job.terminal.columns, words)}
echo "exit $CODE" >&9
$B sleep 60
$B poweroff -f
`
}

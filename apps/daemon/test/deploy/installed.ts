/**
 * Run in the guest, as root: installs the Debian package that it is told, boots systemd beside (in a pid namespace of its own), and has it run the unit: start,
 * reload, a hang that the watchdog ends, removal. Everything that it writes is in the guest's throw-away overlay.
 */
import { spawn } from "node:child_process"
import { existsSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { readGroup, run, until } from "./guestTools.ts"

const [, , deb = "", bytes = "0"] = process.argv
const victim = "system.slice/victim.service"
const begun = Date.now()
/** Each step is told as it is done: emulated and beside others it may be minutes. */
const seen: Record<string, unknown> = new Proxy<Record<string, unknown>>(
  {},
  {
    set: (target, key, value) => {
      console.error(`${((Date.now() - begun) / 1000).toFixed(0)} s: ${String(key)}`)
      return Reflect.set(target, key, value)
    }
  }
)
const high = (): string => readGroup(victim, "memory.high")

/** What a machine does as it boots and what walks over the host's file system is left out. */
const masked = [
  "systemd-tmpfiles-setup.service",
  "systemd-timesyncd.service",
  "systemd-update-utmp.service",
  "systemd-pcrphase-sysinit.service",
  "systemd-pcrphase.service",
  "systemd-udevd.service",
  "systemd-udev-trigger.service",
  "systemd-binfmt.service",
  "timers.target"
]

const bootSystemd = async (): Promise<string | undefined> => {
  for (const unit of masked) if (!existsSync(`/etc/systemd/system/${unit}`)) symlinkSync("/dev/null", `/etc/systemd/system/${unit}`)
  writeFileSync("/etc/systemd/system/wmo-test.target", "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n")
  const environment = ["-i", "container=wmo", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
  const systemd = ["/lib/systemd/systemd", "--system", "--unit=wmo-test.target", "--log-target=null", "--show-status=0"]
  spawn("unshare", ["--pid", "--fork", "--mount", "--mount-proc", "--kill-child", "env", ...environment, ...systemd], { stdio: "ignore" })
  const pidOf = () => run("pgrep", "-f", "^/lib/systemd/systemd --system").stdout.trim().split("\n").at(-1) ?? ""
  await until(() => pidOf() !== "")
  const pid = pidOf()
  const isUp = await until(() => within(pid, "systemctl", "is-active", "wmo-test.target").stdout.trim() === "active")
  return isUp ? pid : undefined
}
const within = (pid: string, ...command: ReadonlyArray<string>) => run("nsenter", "-t", pid, "-p", "-m", ...command)

seen["dpkg"] = run("dpkg", "-i", deb)
seen["check"] = run("wmod", "check", "/etc/wmod.yaml")
seen["verify"] = run("systemd-analyze", "verify", "/usr/lib/systemd/system/wmod.service")
// The service file is as installed but for the watchdog's patience.
run("mkdir", "-p", "/etc/systemd/system/wmod.service.d")
writeFileSync("/etc/systemd/system/wmod.service.d/test.conf", "[Service]\nWatchdogSec=12\n")
writeFileSync(
  "/etc/wmod.yaml",
  `emergency_stop: off\nrecording: { directory: /var/lib/wmo }\nrules: [{ match: ${victim}, policy: senpai, floor: 1M }]\n`
)
const pid = await bootSystemd()
seen["systemd"] = pid !== undefined
if (pid !== undefined) {
  const systemctl = (...args: ReadonlyArray<string>) => within(pid, "systemctl", ...args)
  const property = (name: string): string => systemctl("show", "-p", name, "--value", "wmod").stdout.trim()
  const hold = `globalThis.held = Buffer.alloc(${bytes}, 1); setInterval(() => {}, 1e6)`
  within(pid, "systemd-run", "--unit=victim", "/usr/lib/wmo/bin/node", "-e", hold)
  seen["start"] = systemctl("start", "wmod").code
  seen["acts"] = await until(() => high() !== "max")
  seen["type"] = property("StatusText") || property("ActiveState")
  seen["status"] = within(pid, "wmo", "status", "--json").stdout
  const security = within(pid, "systemd-analyze", "security", "--no-pager", "wmod.service").stdout
  seen["exposure"] = /Overall exposure level for wmod\.service: ([\d.]+)/.exec(security)?.[1]
  seen["reload"] = systemctl("reload", "wmod").code
  seen["reloaded"] = await until(() => within(pid, "journalctl", "-u", "wmod").stdout.includes("/etc/wmod.yaml is in force"), 20)
  const first = property("MainPID")
  systemctl("kill", "-s", "STOP", "wmod")
  seen["restarted"] = await until(() => !["0", first].includes(property("MainPID")), 60)
  seen["restarts"] = property("NRestarts")
  const log = within(pid, "journalctl", "-u", "wmod").stdout
  seen["undone"] = /restored .*victim\.service\/memory\.high to max/.test(log)
  seen["actsAgain"] = await until(() => high() !== "max")
  // As dpkg would do it on that machine.
  seen["remove"] = within(pid, "dpkg", "-r", "wmo")
  seen["highAfterRemoval"] = high()
  seen["stateAfterRemoval"] = within(pid, "sh", "-c", "ls /run/wmo 2>/dev/null").stdout.trim()
  seen["active"] = property("ActiveState")
  seen["config"] = existsSync("/etc/wmod.yaml")
  seen["recordings"] = readdirSync("/var/lib/wmo").filter((name) => name.endsWith(".wmo")).length
  seen["purge"] = within(pid, "dpkg", "-P", "wmo")
  seen["left"] = ["/etc/wmod.yaml", "/var/lib/wmo", "/usr/lib/wmo", "/usr/bin/wmod"].filter((path) => existsSync(path))
}
console.log(JSON.stringify(seen))
process.exit(0)

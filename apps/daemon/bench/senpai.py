"""A loop in the manner of senpai.py over any number of groups, for comparison: every second it reads memory.current, memory.pressure and memory.stat of each
group, opening each file as senpai.py does, and adjusts memory.high every six seconds. Own code; the law is in spec/wmo-senpai-oomd.md (the project's notes).
Usage: senpai.py SECONDS < list of group directories, one a line. Prints one JSON line: the CPU seconds of the loop, passes, and how late each began."""
import json
import resource
import sys
import time

MIN, MAX, INTERVAL, PRESSURE = 100 << 20, 100 << 30, 6, 10000


def read(path):
    with open(path) as file:
        return file.read()


class Group:
    def __init__(self, path):
        self.path = path
        self.total, self.integral, self.grace = self.stalled(), 0, INTERVAL
        self.limit = self.clamp(int(read(path + "/memory.current")))
        self.write()

    def stalled(self):
        some = read(self.path + "/memory.pressure").split("\n")[0]
        return int(some.split("total=")[1])

    def clamp(self, limit):
        return max(MIN, min(MAX, int(limit))) & ~4095

    def write(self):
        with open(self.path + "/memory.high", "w") as file:
            file.write(str(self.limit))

    def adjust(self, factor):
        self.limit = self.clamp(self.limit * (1 + factor))
        self.integral, self.grace = 0, INTERVAL - 1
        self.write()

    def tick(self):
        self.current = int(read(self.path + "/memory.current"))
        self.stat = dict(line.split() for line in read(self.path + "/memory.stat").splitlines())
        total = self.stalled()
        self.integral, self.total = self.integral + total - self.total, total
        if self.integral > PRESSURE:
            return self.adjust(min((self.integral / PRESSURE / 20) ** 2, 1.0))
        if self.grace > 0:
            self.grace -= 1
            return
        self.adjust(-min((PRESSURE / max(self.integral, 1) / 10) ** 2 * 0.01, 0.01))


seconds = float(sys.argv[1])
groups = [Group(line.strip()) for line in sys.stdin if line.strip()]
used = resource.getrusage(resource.RUSAGE_SELF)
start, passes, late = time.monotonic(), 0, []
while time.monotonic() < start + seconds:
    for group in groups:
        group.tick()
    passes += 1
    time.sleep(max(0, start + passes - time.monotonic()))
    late.append(time.monotonic() - start - passes)
now = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "cpu_seconds": now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime,
    "wall_seconds": time.monotonic() - start,
    "passes": passes,
    "late_ms": round(max(late) * 1000),
    "rss_bytes": now.ru_maxrss * 1024,
}))

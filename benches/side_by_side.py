#!/usr/bin/env python3
"""Kiste beside lxc and crun, in one run: P1 start, P2 create, P4 exec, P7 supervisor.

side_by_side.py PEERS KISTE ROUNDS COUNT
  PEERS   folder of the peers' scripts (peers.py, 20-start.py), set up by benches/run
  KISTE   the binary, a release build
  ROUNDS  rounds of start, exec and stop
  COUNT   containers at a time for P7

Kiste runs with everything on: NIC, limits, system call filter, id-mapped overlay. The peers are the
ones of the budgets: lxc tuned (with and without veth) and crun (neither NIC nor filter).
"""
import json, os, runpy, shutil, signal, subprocess, sys, time

peers_dir, binary, rounds, count = sys.argv[1], os.path.abspath(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, peers_dir)
import peers as P

NAME = "kb%d" % (os.getpid() % 10000)
HOME = P.D + "/" + NAME


class Kiste(P.Peer):
    name = "kiste"

    def __init__(self):
        self.numbers = {}

    def kiste(self, *words):
        return [binary, "--config", HOME + "/kiste.toml"] + list(words)

    def create(self, n, template="tiny"):
        P.run(self.kiste("create", template, "--name", n, "--memory", "256"))

    def number(self, n):
        if n not in self.numbers:
            self.numbers[n] = json.loads(P.run(self.kiste("status", n, "--json")))["vmid"]
        return self.numbers[n]

    def start(self, n): return self.kiste("start", n)
    def stamp(self, n): return "%s/data/containers/%d/rw/upper/stamp" % (HOME, self.number(n))
    def exec(self, n): return self.kiste("exec", n, "--", "/bin/true")
    def stop(self, n): return self.kiste("shutdown", n)
    def kill(self, n): return self.kiste("stop", n)

    def delete(self, n):
        self.numbers.pop(n, None)
        return self.kiste("destroy", n)

    def list(self): return self.kiste("list")
    def monitors(self): return ("kiste-shim",)


kiste = Kiste()
make = P.make
P.make = lambda name: kiste if name == "kiste" else make(name)


def serve():
    os.makedirs(HOME, exist_ok=True)
    with open(HOME + "/kiste.toml", "w") as f:
        f.write('data_dir = "%s/data"\nrun_dir = "%s/run"\nbridge = "%s"\nlisten = "127.0.0.1:0"\n'
                'subnet = "10.66.0.1/16"\nid_base = 1006632960\nid_count = 33554432\n' % (HOME, HOME, NAME))
    process = subprocess.Popen(kiste.kiste("serve"), stdout=subprocess.DEVNULL, stderr=open(HOME + "/log", "w"))
    while subprocess.run(kiste.kiste("list"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        if process.poll() is not None:
            sys.exit(open(HOME + "/log").read())
    return process


def pss_kib(pid):
    try:
        for line in open("/proc/%s/smaps_rollup" % pid):
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass


def processes(start):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = open("/proc/%s/cmdline" % pid, "rb").read().replace(b"\0", b" ").decode(errors="replace")
            groups = open("/proc/%s/cgroup" % pid).read()
        except OSError:
            continue
        # Another instance's shims have the same name: ours are in our cgroup.
        if line.startswith(start) and (start != "kiste-shim" or NAME in groups):
            yield pid


def figures(name, values, unit):
    values = sorted(values)
    print("%-13s %-12s %4d %9.2f %9.2f %9.2f %s" % (
        name[0], name[1], len(values), values[0], values[len(values) // 2], values[-1], unit))


def create_debian(n=12):
    """P2: a container from an installed Debian image, copied by the peer that has no image store."""
    lxc = make("lxcmin")
    for peer, root in ((kiste, "debian"), (lxc, "deb12-sys")):
        took = []
        for i in range(n):
            begun = time.time_ns()
            peer.create("d%d" % i, root)
            took.append((time.time_ns() - begun) / 1e6)
            P.run(peer.delete("d%d" % i))
        figures((peer.name, "create debian"), took, "ms")


def supervisors():
    """P7: what one supervisor costs when so many run."""
    for name in ("kiste", "lxcmin-veth"):
        peer = P.make(name)
        names = ["p%d" % i for i in range(count)]
        for n in names:
            peer.create(n)
            P.run(peer.start(n))
        sizes = [pss_kib(pid) for start in peer.monitors() for pid in processes(start)]
        figures((name, "PSS at %d" % count), [s for s in sizes if s], "KiB")
        for n in names:
            P.run(peer.kill(n), False)
            P.run(peer.delete(n), False)


def main():
    process = serve()
    try:
        P.run(kiste.kiste("template", "import", P.D + "/tiny.tar", "--name", "tiny"))
        P.run(kiste.kiste("template", "import", P.D + "/deb12-sys.tar.zst", "--name", "debian"))
        sys.argv = ["20-start.py", str(rounds), "kiste", "lxcmin-veth", "lxcmin", "crun"]
        runpy.run_path(peers_dir + "/20-start.py", run_name="__main__")
        create_debian()
        supervisors()
    finally:
        for row in json.loads(P.run(kiste.kiste("list", "--json"))):
            P.run(kiste.kiste("destroy", str(row["vmid"]), "--force"), False)
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(HOME)


main()

#!/usr/bin/env python3
"""Memory of N WordPress containers: Kiste beside lxc, from the same root file system.

    benches/wordpress_memory.py KISTE PEERS [N]

KISTE is the binary, PEERS the folder of the peers' scripts (10-up.sh net has been run). Debian 12's WordPress, since
lxc cannot boot Debian 13's systemd on hybrid cgroups. A reading is what is not free once all clean and unmapped page
cache has been dropped: anonymous memory, the kernel's own, and the pages of programs that run, which containers share
or do not. Each container has done its first boot and serves its page. As root, on a quiet machine; nothing is left.
"""
import json, os, shutil, subprocess, sys, tempfile, time, urllib.request

kiste, peers, count = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 20
sys.path.insert(0, peers)
import peers as P

here = os.path.dirname(os.path.abspath(__file__))
work = tempfile.mkdtemp(prefix="kiste-memory-", dir=os.environ.get("PEERS_DIR"))
# lxc's containers walk to their root with their own rights.
os.chmod(work, 0o711)


def run(words, **more):
    return subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more).stdout


def not_free():
    """MiB that are in use after the page cache that nobody maps is dropped."""
    os.sync()
    open("/proc/sys/vm/drop_caches", "w").write("3")
    f = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in open("/proc/meminfo")}
    return f["MemTotal"] - f["MemFree"]


def wait_healthy(urls, patience=600):
    end = time.time() + patience
    left = set(urls)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while left:
        for url in sorted(left):
            try:
                if b"/wp-content/themes/" in opener.open(url, timeout=5).read():
                    left.discard(url)
            except OSError:
                pass
        if time.time() > end:
            raise SystemExit("not healthy: %s" % sorted(left))
        time.sleep(0.5)


def report(name, before, after, seconds):
    print("%-6s %d containers: %.0f MiB, %.1f MiB each; all healthy after %.0f s"
          % (name, count, after - before, (after - before) / count, seconds), flush=True)


def of_kiste():
    config = os.path.join(work, "kiste.toml")
    open(config, "w").write(
        'data_dir = "%s/data"\nrun_dir = "%s/run"\nrecipes = "%s/../container-templates"\nbridge = "ktmem0"\n'
        'listen = "127.0.0.1:0"\nsubnet = "10.99.7.1/24"\nid_base = 1300037632\nid_count = 6553600\n' % (work, work, here))
    env = dict(os.environ, KISTE_CONFIG=config)
    serve = subprocess.Popen([kiste, "serve"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=open(os.path.join(work, "log"), "w"))
    try:
        while subprocess.run([kiste, "list"], env=env, capture_output=True).returncode:
            time.sleep(0.1)
        run([kiste, "template", "build", "wordpress-12"], env=env)
        archive = [n for n in os.listdir(work + "/data/templates") if n.startswith("wordpress-12")][0]
        before, start = not_free(), time.time()
        for n in range(count):
            run([kiste, "create", "wordpress-12", "--name", "w%d" % n, "--param", "admin_email=a@example.org",
                 "--start"], env=env)
        urls = [json.loads(run([kiste, "access", "w%d" % n, "--json"], env=env))["url"] for n in range(count)]
        wait_healthy([u.replace("wp-admin/", "") for u in urls])
        seconds = time.time() - start
        report("kiste", before, not_free(), seconds)
        for n in range(count):
            run([kiste, "destroy", "w%d" % n, "--force"], env=env)
        shutil.copy(os.path.join(work, "data/templates", archive), os.path.join(work, "wordpress.tar.zst"))
    finally:
        serve.terminate()
        serve.wait()


def root_of(archive):
    """The layers of a template's archive in one tree, as lxc's users would unpack an image."""
    tree = os.path.join(work, "tree")
    os.mkdir(tree)
    run(["tar", "-C", work, "--zstd", "-xf", archive])
    for layer in json.load(open(os.path.join(work, "manifest.json")))["layers"]:
        tar = os.path.join(work, "layers", layer["digest"] + ".tar")
        run(["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-C", tree, "-xpf", tar])
        for mark in run(["find", tree, "-name", ".wh.*"]).split():
            run(["rm", "-rf", mark, os.path.join(os.path.dirname(mark), os.path.basename(mark)[4:])])
        os.remove(tar)
    return tree


def of_lxc():
    tree = root_of(os.path.join(work, "wordpress.tar.zst"))
    for n, parameters in enumerate([{"site_title": "My site", "admin_email": "a@example.org", "admin_user": "admin",
                                     "admin_password": "memory-test-%d" % n, "site_url": ""} for n in range(count)]):
        folder = os.path.join(work, "lxc", "w%d" % n)
        os.makedirs(folder)
        run(["cp", "-a", tree, folder + "/rootfs"])
        given = folder + "/rootfs/var/lib/kiste/first-boot/parameters"
        os.makedirs(given, mode=0o700, exist_ok=True)
        for name, value in parameters.items():
            open(os.path.join(given, name), "w").write(value)
        open(folder + "/config", "w").write("\n".join([
            "lxc.uts.name = w%d" % n,
            "lxc.rootfs.path = dir:%s/rootfs" % folder, "lxc.rootfs.options = idmap=container",
            "lxc.idmap = u 0 %d 65536" % P.MAP, "lxc.idmap = g 0 %d 65536" % P.MAP,
            "lxc.apparmor.profile = unconfined", "lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed",
            "lxc.tty.dir = lxc", "lxc.pty.max = 1024", "lxc.tty.max = 4",
            "lxc.seccomp.profile = /usr/share/lxc/config/common.seccomp",
            "lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio",
            "lxc.net.0.type = veth", "lxc.net.0.link = pbr0", "lxc.net.0.flags = up", "lxc.net.0.name = eth0",
            "lxc.net.0.ipv4.address = 10.77.3.%d/16" % (n + 10)]) + "\n")
    path = os.path.join(work, "lxc")
    before, start = not_free(), time.time()
    try:
        for n in range(count):
            log = os.path.join(path, "log")
            if subprocess.run(["lxc-start", "-P", path, "-n", "w%d" % n, "-l", "INFO", "-o", log]).returncode:
                raise SystemExit(open(log).read()[-3000:])
        wait_healthy(["http://10.77.3.%d/" % (n + 10) for n in range(count)])
        report("lxc", before, not_free(), time.time() - start)
    finally:
        for n in range(count):
            subprocess.run(["lxc-stop", "-P", path, "-n", "w%d" % n, "-k"], capture_output=True)


try:
    of_kiste()
    of_lxc()
finally:
    shutil.rmtree(work)

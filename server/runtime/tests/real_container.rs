//! A real container on the real kernel: needs root and a Debian tree in `KISTE_TEST_ROOTFS`.

use std::{fs, os::fd::AsFd, path::PathBuf, time::Duration};

use kiste_runtime::{ContainerPlan, Runtime};
use model::{Limits, Vmid, idmap::IdMap};
use protocol::{
    shim::{ExecPlan, ExitRecord},
    viewer::{DATA_MAX, Frame, TermSize},
};

struct Bench {
    runtime: Runtime,
    dir: tempfile::TempDir,
    rootfs: PathBuf,
}

fn bench(name: &str) -> Option<Bench> {
    let rootfs = std::env::var_os("KISTE_TEST_ROOTFS").map(PathBuf::from);
    let is_root = fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let (true, Some(rootfs)) = (is_root, rootfs) else {
        eprintln!("SKIPPED (needs root and KISTE_TEST_ROOTFS): {name}");
        assert!(std::env::var_os("KISTE_NO_SKIP").is_none(), "a skip is a failure here");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let bridge = format!("kt{}{name}", std::process::id() % 100_000).parse().unwrap();
    Some(Bench { runtime: Runtime::new(dir.path(), &bridge).unwrap(), dir, rootfs })
}

impl Bench {
    fn plan(&self, vmid: u32) -> ContainerPlan {
        let own = self.dir.path().join(vmid.to_string());
        for part in ["rw/upper", "rw/work"] {
            fs::create_dir_all(own.join(part)).unwrap();
        }
        ContainerPlan {
            vmid: vmid.try_into().unwrap(),
            hostname: format!("test-{vmid}").parse().unwrap(),
            id_map: IdMap::at(1_879_048_192 + vmid * 65_536).unwrap(),
            layers: vec![self.rootfs.clone()],
            own_layer: own.join("rw"),
            limits: Limits::default(),
            nics: Vec::new(),
            uuid: format!("00000000-0000-4000-8000-{vmid:012}"),
        }
    }

    fn exec(&self, vmid: Vmid, argv: &[&str]) -> (u8, String) {
        let plan = ExecPlan {
            argv: argv.iter().map(ToString::to_string).collect(),
            env: vec![],
            user: None,
            cwd: None,
            pty: None,
        };
        let viewer = self.runtime.exec(vmid, plan).unwrap();
        let (mut buffer, mut text) = (vec![0; DATA_MAX + 1], Vec::new());
        loop {
            match Frame::recv(viewer.as_fd(), &mut buffer, rustix::net::RecvFlags::empty()).unwrap() {
                Some(Frame::Data(d) | Frame::ErrorData(d)) => text.extend_from_slice(d),
                Some(Frame::Exit(code)) => return (code, String::from_utf8_lossy(&text).trim().to_owned()),
                Some(_) => {}
                None => panic!("the viewer closed early: {}", String::from_utf8_lossy(&text)),
            }
        }
    }
}

impl Bench {
    /// Waits until systemd has done booting; before its bus is there it says "offline".
    fn boot(&self, vmid: Vmid) -> String {
        let wait = "until systemctl is-system-running --wait 2>/dev/null | grep -E 'running|degraded|maintenance'; do sleep 0.02; done";
        self.exec(vmid, &["sh", "-c", wait]).1
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for vmid in self.runtime.list_present() {
            let _ = self.runtime.stop(vmid);
        }
        let removed = self.runtime.remove();
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

#[test]
fn debian_boots_to_running_and_ends_gracefully() {
    let Some(bench) = bench("a") else { return };
    let plan = bench.plan(100);
    let (info, unenforced) = bench.runtime.start(&plan).unwrap();
    eprintln!("{info:?} {unenforced:?}");
    let state = bench.boot(plan.vmid);
    let (_, failed) = bench.exec(plan.vmid, &["systemctl", "--failed", "--no-legend", "--plain"]);
    assert_eq!((state.as_str(), failed.as_str()), ("running", ""));
    let base = plan.id_map.base().0;
    let (_, map) = bench.exec(plan.vmid, &["cat", "/proc/self/uid_map"]);
    assert_eq!(map.split_ascii_whitespace().collect::<Vec<_>>(), ["0", &base.to_string(), "65536"]);
    assert_eq!(bench.exec(plan.vmid, &["ls", "-A", "/proc/self/fd"]).1.lines().count(), 4);
    assert_eq!(bench.exec(plan.vmid, &["mount", "-o", "remount,dev", "/"]).0, 32);
    assert_eq!(bench.exec(plan.vmid, &["sh", "-c", "exit 7"]).0, 7);
    assert_eq!(bench.exec(plan.vmid, &["no-such-command"]).0, 127);
    assert_eq!(bench.exec(plan.vmid, &["cat", "/etc/machine-id"]).1, "00000000000040008000000000000100");
    assert_eq!(bench.exec(plan.vmid, &["touch", "/root/x"]).0, 0);
    let console = bench.runtime.open_console(plan.vmid, TermSize::default()).unwrap();
    let mut buffer = vec![0; DATA_MAX + 1];
    let first = Frame::recv(console.as_fd(), &mut buffer, rustix::net::RecvFlags::empty()).unwrap();
    assert!(matches!(first, Some(Frame::Data(d)) if !d.is_empty()));
    let ended = bench.runtime.shutdown(plan.vmid, Duration::from_secs(60)).unwrap();
    assert_eq!(ended, kiste_runtime::container::stop::Shutdown::Graceful);
    assert!(bench.runtime.list_present().is_empty());
    assert!(fs::metadata(plan.own_layer.join("upper/root/x")).is_ok());
}

#[test]
fn reboot_and_poweroff_inside_are_heard() {
    let Some(bench) = bench("b") else { return };
    let plan = bench.plan(101);
    let (first, _) = bench.runtime.start(&plan).unwrap();
    let (sender, heard) = std::sync::mpsc::channel();
    let watcher =
        kiste_runtime::Watcher::start(move |vmid, info| sender.send((vmid, info)).unwrap()).unwrap();
    watcher.watch(&bench.runtime, plan.vmid).unwrap();
    bench.boot(plan.vmid);
    bench.exec(plan.vmid, &["reboot"]);
    let (_, again) = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    let again = again.unwrap();
    assert_eq!((again.reboots, &again.exit), (1, &None));
    assert_ne!(again.init_pid, first.init_pid);
    bench.boot(plan.vmid);
    bench.exec(plan.vmid, &["poweroff"]);
    let (_, end) = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(end.unwrap().exit, Some(ExitRecord::PoweredOff));
    assert_eq!(bench.runtime.collect(plan.vmid), Some(ExitRecord::PoweredOff));
}

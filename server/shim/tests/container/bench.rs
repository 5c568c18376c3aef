//! A bench for one shim: cgroups, layers and a plan of its own; takes everything away at the end.

use std::{
    fs,
    os::fd::AsFd,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use linux::cgroup::{Group, Instance, Layout};
use model::{Vmid, idmap::IdMap};
use protocol::{
    Channel,
    channel::{listen_at, to_bytes},
    shim::{
        CgroupPlan, ExecPlan, ExitRecord, LaunchFailure, LaunchReport, RlimitPlan, ShimInfo, ShimPlan,
        ShimReply, ShimRequest, ShimTask, VERSION,
    },
    viewer::{DATA_MAX, Frame, TermSize},
};
use rustix::net::{RecvFlags, SendFlags};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Number of the container on the bench.
const VMID: u32 = 100;
/// Allow everything: `BPF_RET | BPF_K` with SECCOMP_RET_ALLOW, as `struct sock_filter`.
const ALLOW_ALL: [u8; 8] = [6, 0, 0, 0, 0, 0, 0xff, 0x7f];
const SYS_MODULE: u64 = 1 << 16;

pub struct Bench {
    instance: Instance,
    group: Group,
    pub dir: tempfile::TempDir,
    pub plan: ShimPlan,
}

/// A bench whose container runs `script` as init; `None` when this machine cannot.
pub fn bench(name: &str, script: &str) -> Option<Bench> {
    let rootfs = std::env::var_os("KISTE_TEST_ROOTFS").map(PathBuf::from);
    let is_root = rustix::process::getuid().is_root();
    let (true, Some(rootfs)) = (is_root, rootfs) else {
        eprintln!("SKIPPED (needs root and a Debian tree in KISTE_TEST_ROOTFS): {name}");
        assert!(std::env::var_os("KISTE_NO_SKIP").is_none(), "a skip is a failure here");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let instance =
        Instance::ensure(Layout::detect().unwrap(), &format!("kt{}{name}", std::process::id())).unwrap();
    let group = instance.group(VMID);
    let id_map = IdMap::at(1_879_048_192 + VMID * 65_536).unwrap();
    group.create(id_map.base().0).unwrap();
    for part in ["top", "own/rw/upper", "own/rw/work"] {
        fs::create_dir_all(dir.path().join(part)).unwrap();
    }
    let plan = ShimPlan {
        version: VERSION,
        vmid: Vmid::try_from(VMID).unwrap(),
        hostname: "bench.example".parse().unwrap(),
        id_map,
        layers: vec![rootfs, dir.path().join("top")],
        own_layer: dir.path().join("own/rw"),
        cgroup: CgroupPlan { payload: group.payload(), v1_groups: group.v1_folders() },
        nics: Vec::new(),
        init: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: vec!["container=lxc".into(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin".into()],
        capabilities: !SYS_MODULE,
        rlimits: vec![RlimitPlan { resource: 7, soft: 777, hard: 888 }],
        seccomp: ALLOW_ALL.to_vec(),
        scrollback_bytes: 128 * 1024,
    };
    Some(Bench { instance, group, dir, plan })
}

impl Bench {
    /// A file of the upper image layer.
    pub fn top(&self, path: &str) -> PathBuf {
        let file = self.dir.path().join("top").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        file
    }

    /// A file of the container's own layer.
    pub fn own(&self, path: &str) -> PathBuf {
        self.plan.own_layer.join("upper").join(path)
    }

    pub fn run(&self, task: &ShimTask) -> LaunchReport {
        let socket = self.socket();
        let _ = fs::remove_file(&socket);
        let listener = listen_at(&socket).unwrap();
        let task = linux::spawn::sealed_memfd("task", &to_bytes(task).unwrap()).unwrap();
        let binary = fs::read(env!("CARGO_BIN_EXE_kiste-shim")).unwrap();
        let program = linux::spawn::sealed_memfd("kiste-shim", &binary).unwrap();
        let (ours, theirs) = Channel::pair().unwrap();
        let cgroup = fs::File::open(self.instance.shims()).unwrap();
        linux::spawn::spawn_detached(&linux::spawn::Detached {
            program: program.as_fd(),
            name: "kiste-shim",
            argument: "100",
            descriptors: &[task.as_fd(), listener.as_fd(), theirs.as_fd()],
            cgroup: Some(cgroup.as_fd()),
        })
        .unwrap();
        drop(theirs);
        ours.recv().unwrap().expect("the shim reports").0
    }

    pub fn launch(&self) -> ShimInfo {
        match self.run(&ShimTask::Launch(self.plan.clone())) {
            LaunchReport::Launched(info) => info,
            other => panic!("{other:?}"),
        }
    }

    pub fn launch_fails(&self) -> LaunchFailure {
        match self.run(&ShimTask::Launch(self.plan.clone())) {
            LaunchReport::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    /// Kills the shim of a launched init, and waits until it is gone.
    pub fn kill_shim(&self, info: &ShimInfo) {
        let stat = fs::read_to_string(format!("/proc/{}/stat", info.init_pid)).unwrap();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        let pid = rustix::process::Pid::from_raw(parent.unwrap().parse().unwrap()).unwrap();
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
        let open = self.connect();
        linux::process::signal_pidfd(pidfd.as_fd(), 9).unwrap();
        assert!(!matches!(open.recv::<ShimReply>(), Ok(Some(_))));
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("sock")
    }

    pub fn connect(&self) -> Channel {
        Channel::connect(&self.socket()).unwrap()
    }

    pub fn ask(&self, request: &ShimRequest) -> (ShimReply, Option<Viewer>) {
        let channel = self.connect();
        channel.send(request, &[]).unwrap();
        let (reply, mut fds) = channel.recv().unwrap().expect("the shim answers");
        (reply, fds.pop().map(Viewer))
    }

    pub fn info(&self) -> ShimInfo {
        match self.ask(&ShimRequest::Info).0 {
            ShimReply::Info(info) => info,
            other => panic!("{other:?}"),
        }
    }

    pub fn start(&self, plan: ExecPlan) -> Viewer {
        self.ask(&ShimRequest::Exec(plan)).1.expect("a viewer")
    }

    /// Runs a shell script inside as root: exit code and output.
    pub fn sh(&self, script: &str) -> (u8, String) {
        self.start(shell(script)).finish()
    }

    pub fn console(&self) -> Viewer {
        self.ask(&ShimRequest::OpenConsole(TermSize::default())).1.expect("a viewer")
    }

    /// Waits for the next event on a subscribed connection.
    pub fn event(channel: &Channel) -> ShimInfo {
        match channel.recv().unwrap().expect("the shim stays").0 {
            ShimReply::Event(info) => info,
            other => panic!("{other:?}"),
        }
    }

    pub fn subscribe(&self) -> Channel {
        let channel = self.connect();
        channel.send(&ShimRequest::Subscribe, &[]).unwrap();
        assert_eq!(channel.recv::<ShimReply>().unwrap().unwrap().0, ShimReply::Done);
        channel
    }

    /// Waits for the end of init, and lets the shim go.
    pub fn collect(&self) -> ExitRecord {
        let events = self.subscribe();
        let exit = self.info().exit.unwrap_or_else(|| {
            loop {
                if let Some(exit) = Self::event(&events).exit {
                    break exit;
                }
            }
        });
        events.send(&ShimRequest::Collect, &[]).unwrap();
        exit
    }

    pub fn kill_all(&self) {
        self.group.kill(PATIENCE).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let killed = self.group.kill(PATIENCE);
        if let Ok(channel) = Channel::connect(&self.socket()) {
            let _ = channel.send(&ShimRequest::Subscribe, &[]);
            while let Ok(Some((reply, _))) = channel.recv::<ShimReply>() {
                let is_over = match reply {
                    ShimReply::Event(info) => info.exit.is_some(),
                    _ => {
                        channel.send(&ShimRequest::Info, &[]).is_err()
                            || matches!(channel.recv(), Ok(Some((ShimReply::Info(i), _))) if i.exit.is_some())
                    }
                };
                if is_over {
                    let _ = channel.send(&ShimRequest::Collect, &[]);
                }
            }
        }
        let removed = killed.and_then(|()| self.group.remove()).and_then(|()| self.instance.remove());
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

pub fn shell(script: &str) -> ExecPlan {
    ExecPlan {
        argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: Vec::new(),
        user: None,
        cwd: None,
        pty: None,
    }
}

/// One end of a viewer socket.
pub struct Viewer(std::os::fd::OwnedFd);

impl Viewer {
    pub fn send(&self, frame: &Frame<'_>) {
        frame.send(self.0.as_fd(), SendFlags::empty()).unwrap();
    }

    /// Reads until the command has ended.
    pub fn finish(&self) -> (u8, String) {
        let (mut buffer, mut text) = (vec![0; DATA_MAX + 1], Vec::new());
        loop {
            match Frame::recv(self.0.as_fd(), &mut buffer, RecvFlags::empty()).unwrap() {
                Some(Frame::Data(data) | Frame::ErrorData(data)) => text.extend_from_slice(data),
                Some(Frame::Exit(code)) => return (code, String::from_utf8_lossy(&text).trim().to_owned()),
                Some(_) => {}
                None => panic!("the viewer closed early: {}", String::from_utf8_lossy(&text)),
            }
        }
    }

    /// Reads until `wanted` has been seen; gives everything so far.
    pub fn read_until(&self, wanted: &str) -> String {
        let (mut buffer, mut text) = (vec![0; DATA_MAX + 1], String::new());
        while !text.contains(wanted) {
            match Frame::recv(self.0.as_fd(), &mut buffer, RecvFlags::empty()).unwrap() {
                Some(Frame::Data(data)) => text.push_str(&String::from_utf8_lossy(data)),
                Some(_) => {}
                None => panic!("the viewer closed early: {text}"),
            }
        }
        text
    }
}

pub fn make_device(path: &Path) {
    let (mode, null) = (rustix::fs::Mode::from_raw_mode(0o666), rustix::fs::makedev(1, 3));
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::CharacterDevice, mode, null).unwrap();
}

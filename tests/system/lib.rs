//! The harness of the system tests: one instance of the real product with its own bridge, folders and
//! ids, driven by its command line, and an audit of what it leaves that shares no code with it.
//!
//! Needs root, `KISTE_BIN` (the binary) and `KISTE_TEST_ARCHIVE` (a Debian root file system). Without
//! them a test is skipped aloud; with `KISTE_NO_SKIP` set, a skip is a failure.
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a test harness speaks and panics")]

pub mod outside;
pub mod router;
pub mod wordpress;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// One running instance.
#[derive(Debug)]
pub struct Instance {
    dir: tempfile::TempDir,
    bin: PathBuf,
    name: String,
    serve: Option<Child>,
}

/// What a command gave.
#[derive(Debug)]
pub struct Done {
    /// Exit code.
    pub code: i32,
    /// Standard output, trimmed.
    pub out: String,
    /// Standard error, trimmed.
    pub err: String,
}

impl Instance {
    /// A served instance, numbered so that tests run side by side; `None` when the test is skipped.
    #[must_use]
    pub fn start(number: u8) -> Option<Self> {
        Self::start_with(number, "")
    }

    /// The same, with more in its configuration.
    #[must_use]
    pub fn start_with(number: u8, more: &str) -> Option<Self> {
        let bin = std::env::var_os("KISTE_BIN").map(PathBuf::from);
        let uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap());
        let (0, Some(bin)) = (uid, bin) else {
            eprintln!("SKIPPED (needs root, KISTE_BIN, KISTE_TEST_ARCHIVE)");
            assert!(std::env::var_os("KISTE_NO_SKIP").is_none(), "a skip is a failure here");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let id = std::process::id() % 10_000;
        let name = format!("kt{number}x{id}");
        let path = dir.path().display();
        // Networks and ids apart from a productive instance and from other tests.
        let text = format!(
            "data_dir = \"{path}/data\"\nrun_dir = \"{path}/run\"\nrecipes = \"{path}/recipes\"\nbridge = \"{name}\"\nlisten = \"127.0.0.1:0\"\n\
             subnet = \"10.{}.{}.1/24\"\nid_base = {}\nid_count = 1310720\n{more}",
            100 + number,
            id % 250,
            1_000_013_824 / 65_536 * 65_536 + u32::from(number) * 1_310_720,
        );
        fs::write(dir.path().join("kiste.toml"), text).unwrap();
        let mut instance = Self { dir, bin, name, serve: None };
        instance.serve();
        Some(instance)
    }

    /// The instance's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process id of `serve`.
    #[must_use]
    pub fn serve_pid(&self) -> u32 {
        self.serve.as_ref().unwrap().id()
    }

    /// A command of this instance, not yet run.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.bin);
        command.args(words).env("KISTE_CONFIG", self.dir().join("kiste.toml")).stdin(Stdio::null());
        command
    }

    /// Starts `serve` and waits until it answers.
    pub fn serve(&mut self) {
        let command = self.command(&["serve"]);
        self.serve_by(command);
    }

    /// Starts `serve` on a host whose boot has another id, as after a reboot. No container starts there: a `/proc`
    /// with something mounted in it cannot be mounted once more.
    pub fn serve_in_another_boot(&mut self) {
        let id = self.dir().join("boot_id");
        fs::write(&id, "00000000-0000-4000-8000-000000000000\n").unwrap();
        let view = format!("mount --bind {} /proc/sys/kernel/random/boot_id", id.display());
        let line = format!("{view} && exec {} serve", self.bin.display());
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &line]).env("KISTE_CONFIG", self.dir().join("kiste.toml"));
        self.serve_by(command);
    }

    fn serve_by(&mut self, mut command: Command) {
        let log = fs::File::options().create(true).append(true).open(self.dir().join("log")).unwrap();
        let out = fs::File::create(self.dir().join("out")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().unwrap();
        self.serve = Some(child);
        self.wait("the engine answers", || self.kiste(&["list"]).code == 0);
    }

    /// What `serve` has told its terminal after the given words, on one of its lines.
    #[must_use]
    pub fn told(&self, words: &str) -> String {
        let out = || fs::read_to_string(self.dir().join("out")).unwrap();
        let find = |text: &str| text.lines().find_map(|l| l.strip_prefix(words).map(str::to_owned));
        self.wait(words, || find(&out()).is_some());
        find(&out()).unwrap()
    }

    /// Where browsers go.
    #[must_use]
    pub fn address(&self) -> String {
        self.told("Kiste serves ").trim_end_matches('/').to_owned()
    }

    /// First of its ids on the host.
    #[must_use]
    pub fn id_base(&self) -> u32 {
        let text = fs::read_to_string(self.dir().join("kiste.toml")).unwrap();
        text.lines().find_map(|l| l.strip_prefix("id_base = ")).unwrap().parse().unwrap()
    }

    /// The instance's name: its bridge.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends `serve` by a signal, and waits for it.
    pub fn end_serve(&mut self, signal: &str) {
        let mut child = self.serve.take().unwrap();
        run("kill", &["-s", signal, &child.id().to_string()]);
        child.wait().unwrap();
    }

    /// Ends all shims of the instance at once, and waits until they are gone.
    pub fn kill_shims(&self) {
        let trees = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
        let mut groups = trees.map(|t| t.path().join(&self.name).join("shims"));
        let group = groups.find(|g| g.exists()).unwrap();
        let pids = fs::read_to_string(group.join("cgroup.procs")).unwrap();
        assert_ne!(pids, "");
        for pid in pids.lines() {
            run("kill", &["-s", "KILL", pid]);
        }
        self.wait("the shims are gone", || {
            let left = fs::read_to_string(group.join("cgroup.procs")).unwrap();
            !pids.lines().any(|pid| left.lines().any(|l| l == pid))
        });
    }

    /// Processes of a container, by the group that bounds them.
    #[must_use]
    pub fn processes(&self, vmid: u32) -> Vec<String> {
        let trees = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|t| t.path());
        let folders = trees.map(|t| t.join(&self.name).join(vmid.to_string()));
        let mut found = Vec::new();
        let mut open: Vec<PathBuf> = folders.filter(|f| f.exists()).collect();
        open.push(Path::new("/sys/fs/cgroup").join(&self.name).join(vmid.to_string()));
        while let Some(folder) = open.pop() {
            let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(pids.lines().map(str::to_owned));
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            open.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        }
        found.sort();
        found.dedup();
        found
    }

    /// What the engine has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir().join("log")).unwrap_or_default()
    }

    /// Runs a verb.
    #[must_use]
    pub fn kiste(&self, words: &[&str]) -> Done {
        done(&self.command(words).output().unwrap())
    }

    /// Runs a verb that must succeed; gives its output.
    pub fn ok(&self, words: &[&str]) -> String {
        let done = self.kiste(words);
        assert_eq!(done.code, 0, "kiste {words:?}: {done:?}");
        done.out
    }

    /// Runs a verb that must be refused with one line; gives the line.
    pub fn refused(&self, words: &[&str]) -> String {
        let done = self.kiste(words);
        assert_eq!(done.code, 1, "kiste {words:?}: {done:?}");
        let line = done.err.lines().find(|l| l.starts_with("kiste: ")).unwrap_or_default().to_owned();
        assert!(!line.is_empty(), "kiste {words:?}: {done:?}");
        line
    }

    /// Runs a shell line inside; gives its output.
    #[must_use]
    pub fn inside(&self, name: &str, line: &str) -> String {
        self.kiste(&["exec", name, "--", "sh", "-c", line]).out
    }

    /// One container as `status --json` shows it.
    #[must_use]
    pub fn status(&self, name: &str) -> Value {
        serde_json::from_str(&self.ok(&["status", name, "--json"])).unwrap()
    }

    /// Waits for the status.
    pub fn wait_status(&self, name: &str, wanted: &str) {
        self.wait(wanted, || self.status(name)["status"] == wanted);
    }

    /// Waits until systemd inside has done booting; gives its word.
    #[must_use]
    pub fn boot(&self, name: &str) -> String {
        let mut word = String::new();
        self.wait("systemd has booted", || {
            word = self.inside(name, "systemctl is-system-running --wait 2>/dev/null");
            matches!(word.as_str(), "running" | "degraded" | "maintenance")
        });
        word
    }

    /// Asks again and again until it is true; every question is a round through the product.
    pub fn wait(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_true() {
            assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}\n{}", self.log());
            thread::yield_now();
        }
    }

    /// The Debian archive, imported as `debian`.
    pub fn import_debian(&self) {
        let archive = std::env::var("KISTE_TEST_ARCHIVE").unwrap();
        self.ok(&["template", "import", &archive, "--name", "debian"]);
    }

    /// Copies recipes of this checkout to the instance's folder of recipes.
    pub fn copy_recipes(&self, names: &[&str]) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../container-templates");
        let to = self.dir().join("recipes");
        fs::create_dir_all(&to).unwrap();
        for name in names {
            let copied = run("cp", &["-a", from.join(name).to_str().unwrap(), to.to_str().unwrap()]);
            assert_eq!(copied.code, 0, "{copied:?}");
        }
    }

    /// Everything that bears the instance's name on this machine.
    #[must_use]
    pub fn traces(&self) -> Vec<String> {
        let mut found = Vec::new();
        let path = self.dir().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        found.extend(mounts.lines().filter(|l| l.contains(&path)).map(|l| format!("mount {l}")));
        let links = run("ip", &["-o", "link"]).out;
        found.extend(links.lines().filter(|l| l.contains(&self.name)).map(|l| format!("link {l}")));
        let tables = run("nft", &["list", "tables"]).out;
        found.extend(tables.lines().filter(|l| l.ends_with(&self.name)).map(|l| format!("nft {l}")));
        for tree in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let folder = tree.path().join(&self.name);
            found.extend(folder.exists().then(|| format!("cgroup {}", folder.display())));
        }
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            found.extend(line.contains(&path).then(|| format!("process {line}")));
        }
        found
    }

    /// Destroys all containers, ends the engine, and checks that nothing is left.
    pub fn finish(mut self) {
        // The containers' interfaces do not bear the instance's name; their bridge tells which they are.
        let links = run("ip", &["-o", "link", "show", "master", &self.name]).out;
        let name = |line: &str| line.split(": ").nth(1).map(|n| n.split('@').next().unwrap().to_owned());
        let ports: Vec<String> = links.lines().filter_map(name).collect();
        let rows: Value = serde_json::from_str(&self.ok(&["list", "--json"])).unwrap();
        for row in rows.as_array().unwrap() {
            self.ok(&["destroy", &row["vmid"].to_string(), "--force"]);
        }
        self.end_serve("TERM");
        assert_eq!(self.traces(), Vec::<String>::new());
        for port in ports {
            assert_ne!(run("ip", &["link", "show", &port]).code, 0, "{port} is left");
        }
        for folder in ["containers", "trash", "staging"] {
            assert_eq!(names(&self.dir().join("data").join(folder)), Vec::<String>::new(), "{folder}");
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        eprintln!("log of the engine:\n{}", self.log());
        for vmid in names(&self.dir().join("data/containers")) {
            let _ = self.kiste(&["destroy", &vmid, "--force"]);
        }
        if let Some(child) = &mut self.serve {
            run("kill", &["-s", "TERM", &child.id().to_string()]);
            let _ = child.wait();
        }
        eprintln!("left behind: {:?}", self.traces());
    }
}

/// Names in a folder.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

fn done(output: &Output) -> Done {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Done { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs a tool of the host.
pub fn run(tool: &str, words: &[&str]) -> Done {
    done(&Command::new(tool).args(words).output().unwrap())
}

//! Running mmdebstrap(1) inside the sandbox and telling how it goes.
//!
//! Its output is for people: steps and progress are read off it, and a line that is not known is only
//! not shown. Whether the build succeeded, its exit status says.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs,
    io::{self, BufRead, BufReader, Read},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    recipe::SystemUser,
    report::{BuildPlan, Report},
};

/// The tool, and its package.
pub(crate) const TOOL: (&str, &str) = ("/usr/bin/mmdebstrap", "mmdebstrap");
/// Debian's keys, and their package. Only these sign what is put in.
pub(crate) const KEYRING: (&str, &str) =
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring");

/// Longest line that is looked at.
const LINE_MAX: u64 = 4096;
/// Most lines that go to the log.
const LINES_MAX: usize = 5000;
/// Last lines that are shown after a failure.
const LAST_LINES: usize = 20;

/// What to build.
pub(super) struct Order<'a> {
    pub(super) plan: &'a BuildPlan,
    /// Debian's release.
    pub(super) suite: &'a str,
    /// Tar file of the tree that it stands on.
    pub(super) parent: Option<&'a Path>,
    /// Where the tree grows.
    pub(super) scratch: &'a Path,
    /// Commands that put vendors' files into the tree.
    pub(super) placing: &'a [String],
}

/// Builds a tree and its tar at `tar`; gives the packages as `name version`.
pub(super) fn run(
    order: &Order<'_>,
    tar: &Path,
    tell: &mut dyn FnMut(Report),
) -> Result<Vec<String>, String> {
    let failed = |what: &'static str| move |e: io::Error| format!("cannot {what}: {e}");
    furnish().map_err(failed("furnish /etc"))?;
    let list = order.scratch.join("packages");
    let mut command = command(order, &list, tar).map_err(failed("write the hooks"))?;
    let mut child = command.spawn().map_err(failed("start mmdebstrap"))?;
    let output = child.stderr.take().ok_or("mmdebstrap has no output")?;
    let mut reader = Reader::new(tell);
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.by_ref().take(LINE_MAX).read_until(b'\n', &mut line).map_err(failed("listen"))? > 0 {
        reader.read(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    let status = child.wait().map_err(failed("wait for mmdebstrap"))?;
    if !status.success() {
        return Err(reader.failure());
    }
    let packages = fs::read_to_string(&list).map_err(failed("read the package list"))?;
    Ok(packages.lines().map(str::to_owned).collect())
}

/// What apt and mmdebstrap look for in /etc. The host's own is not shown to them: the result must not
/// depend on it, and nobody but Debian is trusted.
fn furnish() -> io::Result<()> {
    fs::create_dir_all("/etc/apt/apt.conf.d")?;
    fs::create_dir_all("/etc/apt/trusted.gpg.d")?;
    std::os::unix::fs::symlink(KEYRING.0, "/etc/apt/trusted.gpg.d/debian.gpg")?;
    fs::write("/etc/hostname", "localhost\n")
}

fn command(order: &Order<'_>, list: &Path, tar: &Path) -> io::Result<Command> {
    let Order { plan, scratch, .. } = order;
    let mut command = Command::new(TOOL.0);
    // When it fails it hangs up on its whole process group, which must not be ours: nobody would tell why.
    command.process_group(0);
    let users = scratch.join("users");
    write_script(&users, &users_script(&plan.users))?;
    match order.parent {
        None => {
            // Between the essential packages and the others: passwd is there, and nobody has taken an id.
            command.arg("--variant=minbase").arg(format!("--essential-hook={}", users.display()));
        }
        Some(parent) => {
            let unpack =
                format!("tar -C \"$1\" -xf {} --numeric-owner --exclude './dev/*'", parent.display());
            let options = "--xattrs --xattrs-include='*'";
            command.args(["--variant=custom", &format!("--setup-hook={unpack} {options}")]);
            command.arg(format!("--setup-hook={}", users.display()));
        }
    }
    command
        .args(["--verbose", "--mode=unshare", "--format=tar"])
        // Hooks see to the last one: systemd wants another machine-id than mmdebstrap.
        .arg("--skip=check/signed-by,chroot/mount/sys,cleanup/reproducible")
        .arg(format!("--architectures={}", plan.manifest.architecture));
    if !plan.packages.is_empty() {
        command.arg(format!("--include={}", plan.packages.join(",")));
    }
    command.args(order.placing.iter().map(|place| format!("--customize-hook={place}")));
    let folder = scratch.join("hooks");
    fs::create_dir(&folder)?;
    if !plan.files.is_empty() {
        let files = scratch.join("files");
        write_files(plan, &files)?;
        // As if they were packed: no owner, date or link of the tree's is taken over.
        let copy = format!("cp -R --no-preserve=all --preserve=mode {}/. \"$1\"", files.display());
        command.arg(format!("--customize-hook={copy}"));
    }
    for (number, hook) in plan.hooks.iter().enumerate() {
        // Hooks of several recipes come together here.
        let path = folder.join(format!("{number:03}-{}", hook.name));
        write_script(&path, &hook.script)?;
        command.arg(format!("--customize-hook={}", path.display()));
    }
    let list = format!(
        "dpkg-query --admindir=\"$1/var/lib/dpkg\" -W -f '${{Package}} ${{Version}}\\n' > {}",
        list.display()
    );
    command.arg(format!("--customize-hook={list}")).arg(order.suite).arg(tar);
    if let Some(mirror) = &plan.mirror {
        for suite in [order.suite.to_owned(), format!("{}-updates", order.suite)] {
            command.arg(format!("deb {mirror} {suite} main"));
        }
    }
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs([("HOME", "/tmp"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")])
        .env("TMPDIR", scratch)
        .env("SOURCE_DATE_EPOCH", plan.manifest.built.to_string())
        .envs(plan.proxies.iter().map(|(k, v)| (k, v)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    Ok(command)
}

fn write_script(path: &Path, script: &str) -> io::Result<()> {
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Makes users and groups with their ids in the tree; one that is there keeps what it has.
fn users_script(users: &[SystemUser]) -> String {
    let mut script = "#!/bin/sh\nset -eu\nroot=$1\n".to_owned();
    for SystemUser { name, id, home } in users {
        for (file, line) in [
            ("group", format!("{name}:x:{id}:")),
            ("gshadow", format!("{name}:!::")),
            ("passwd", format!("{name}:x:{id}:{id}::{home}:/usr/sbin/nologin")),
            ("shadow", format!("{name}:!*:::::::")),
        ] {
            // The shadow files are made later from the others, when they are not there yet.
            let file = format!("\"$root/etc/{file}\"");
            let _ =
                writeln!(script, "[ ! -e {file} ] || grep -q '^{name}:' {file} || echo '{line}' >> {file}");
        }
    }
    script
}

fn write_files(plan: &BuildPlan, folder: &Path) -> io::Result<()> {
    for file in &plan.files {
        let path = folder.join(&file.path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, &file.text)?;
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Steps by the line with which mmdebstrap begins them.
const STEPS: [(&str, &str); 7] = [
    ("I: running apt-get update", "lists"),
    ("I: downloading packages with apt", "download"),
    ("I: extracting archives", "base"),
    ("I: installing remaining packages", "packages"),
    ("I: running --customize-hook", "hooks"),
    ("I: cleaning package lists", "clean"),
    ("I: creating tarball", "pack"),
];

/// Beginnings of lines that a person wants to see.
const SHOWN: [&str; 7] = ["E: ", "W: ", "Err:", "Get:", "Setting up ", "dpkg: error", "Fetched "];

/// Reads steps and progress off the lines.
struct Reader<'a> {
    tell: &'a mut dyn FnMut(Report),
    step: &'static str,
    /// New packages of this step; downloading and setting up count one each.
    packages: u64,
    done: u64,
    percent: u8,
    shown: usize,
    /// The last lines, and whether each was shown.
    last: VecDeque<(String, bool)>,
}

impl<'a> Reader<'a> {
    fn new(tell: &'a mut dyn FnMut(Report)) -> Self {
        Self { tell, step: "", packages: 0, done: 0, percent: 0, shown: 0, last: VecDeque::new() }
    }

    fn read(&mut self, line: &str) {
        if let Some((_, step)) = STEPS.iter().find(|(start, _)| line.starts_with(start))
            && *step != self.step
        {
            // The second download is of the other packages, and its number is told anew.
            (self.step, self.done, self.percent) = (step, 0, 0);
            (self.tell)(Report::Step((*step).into()));
        }
        let new = line.split_once(" newly installed,").and_then(|(start, _)| start.rsplit_once(' '));
        if let Some(number) = new.and_then(|(_, n)| n.parse().ok()) {
            self.packages = number;
        }
        if line.starts_with("Get:") || line.starts_with("Setting up ") {
            self.count();
        }
        // Hooks are the recipe's own, everything they say is meant for the reader.
        let is_shown = SHOWN.iter().any(|start| line.starts_with(start))
            || self.step == "hooks" && !line.starts_with("I: ");
        if is_shown && self.shown < LINES_MAX {
            self.shown += 1;
            (self.tell)(Report::Line(line.to_owned()));
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back((line.to_owned(), is_shown));
    }

    fn count(&mut self) {
        self.done += 1;
        let all = match self.step {
            "download" | "base" => self.packages,
            "packages" => 2 * self.packages,
            _ => 0,
        };
        let percent = (self.done * 100).checked_div(all).unwrap_or(0).min(100);
        let percent = u8::try_from(percent).unwrap_or(100);
        if percent > self.percent {
            self.percent = percent;
            (self.tell)(Report::Percent(percent));
        }
    }

    /// Shows the last lines and says what failed in one.
    fn failure(self) -> String {
        for (line, _) in self.last.iter().filter(|(_, is_shown)| !is_shown) {
            (self.tell)(Report::Line(line.clone()));
        }
        let lines = || self.last.iter().map(|(line, _)| line.as_str());
        let told = |start: &str| lines().find(|l| l.starts_with(start));
        if lines().any(|l| l.contains("No space left on device")) {
            return format!("the disk is full at step {}: free some space and repeat", self.step);
        }
        let why = ["E: Unable to locate package", "Err:", "E: "].into_iter().find_map(told);
        let why = why.or(lines().next_back()).unwrap_or("it said nothing");
        format!("mmdebstrap failed at step {}: {why}; the task's log has its last lines", self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(lines: &[&str]) -> (Vec<Report>, String) {
        let mut all = Vec::new();
        let mut tell = |report| all.push(report);
        let mut reader = Reader::new(&mut tell);
        lines.iter().for_each(|l| reader.read(l));
        let failure = reader.failure();
        (all, failure)
    }

    #[test]
    fn steps_and_progress_are_read_off_the_output() {
        let lines = [
            "I: running apt-get update...",
            "Get:1 http://mirror.test bookworm InRelease [151 kB]",
            "I: downloading packages with apt...",
            "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
            "Get:1 http://mirror.test bookworm/main amd64 libc6",
            "Unpacking libc6",
            "I: running --customize-hook directly: /tmp/hooks/10-a /tmp/x",
            "said by a hook",
        ];
        let (all, _) = reports(&lines);
        let step = |name: &str| Report::Step(name.into());
        let line = |n: usize| Report::Line(lines[n].into());
        let want =
            [step("lists"), line(1), step("download"), Report::Percent(50), line(4), step("hooks"), line(7)];
        assert_eq!(all[..want.len()], want);
    }

    #[test]
    fn a_failure_is_one_line_with_its_cause() {
        let (_, failure) = reports(&[
            "I: downloading packages with apt...",
            "E: Unable to locate package nonsense",
            "E: apt-get failed",
        ]);
        assert!(failure.contains("step download: E: Unable to locate package nonsense"), "{failure}");
    }
}

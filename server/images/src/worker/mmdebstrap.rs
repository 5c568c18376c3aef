//! Running mmdebstrap(1) inside the sandbox and telling how it goes.
//!
//! Its output is for people: steps and progress are read off it, and a line that is not known is only
//! not shown. Whether the build succeeded, its exit status says.

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use crate::report::{BuildPlan, Report};

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

/// Builds the tree below `scratch` and its tar at `layer`; gives the packages as `name version`.
pub(super) fn run(
    plan: &BuildPlan,
    scratch: &Path,
    layer: &Path,
    tell: &mut dyn FnMut(Report),
) -> Result<Vec<String>, String> {
    let failed = |what: &'static str| move |e: io::Error| format!("cannot {what}: {e}");
    furnish().map_err(failed("furnish /etc"))?;
    let list = scratch.join("packages");
    let mut command = command(plan, scratch, &list, layer).map_err(failed("write the hooks"))?;
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

fn command(plan: &BuildPlan, scratch: &Path, list: &Path, layer: &Path) -> io::Result<Command> {
    let mut command = Command::new(TOOL.0);
    command
        .args(["--verbose", "--mode=unshare", "--format=tar", "--variant=minbase"])
        // Hooks see to the last one: systemd wants another machine-id than mmdebstrap.
        .arg("--skip=check/signed-by,chroot/mount/sys,cleanup/reproducible")
        .arg(format!("--architectures={}", plan.manifest.architecture))
        .arg(format!("--include={}", plan.packages.join(",")));
    let folder = scratch.join("hooks");
    fs::create_dir(&folder)?;
    for hook in &plan.hooks {
        let path = folder.join(&hook.name);
        fs::write(&path, &hook.script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        command.arg(format!("--customize-hook={}", path.display()));
    }
    let list = format!(
        "dpkg-query --admindir=\"$1/var/lib/dpkg\" -W -f '${{Package}} ${{Version}}\\n' > {}",
        list.display()
    );
    command.arg(format!("--customize-hook={list}")).arg(&plan.suite).arg(layer);
    if let Some(mirror) = &plan.mirror {
        for suite in [plan.suite.clone(), format!("{}-updates", plan.suite)] {
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

//! Looks after the applications in containers: how far the first boot is, and whether they are well.
//!
//! One thread looks at who is due, each look has a thread of its own and a bound in time: a container that
//! does not answer holds up nobody else. What a container says about itself is shown, never acted on but for
//! its own state.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use model::{
    ContainerConfig, Nic, Vmid,
    application::{Probe, fill},
    container::InstalledApplication,
    health::{FirstBoot, HealthChange, HealthState},
};

use crate::{Engine, clock, error::chain, healing, lock, observe};

/// How often it is looked who is due.
const INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at one that is well.
const WHEN_WELL: Duration = Duration::from_secs(60);
/// Between two looks at one that was well, or never became so.
const WHEN_ILL: Duration = Duration::from_secs(5);
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most of a page that is looked through.
const BODY_MAX: u64 = 1 << 20;
/// Most that a command or status file may say.
const OUTPUT_MAX: usize = 16 << 10;
/// Looks at a time.
const LOOKS_MAX: usize = 8;
/// Status and failure of the first boot, an empty line between them.
const FIRST_BOOT: [&str; 3] = [
    "/bin/sh",
    "-c",
    "cd /var/lib/kiste/first-boot 2>/dev/null && cat status; echo; [ ! -f failure ] || cat failure",
];

/// What is known of one container's application since its start.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Start time of the init it was seen under.
    init_start_ticks: u64,
    /// Its first boot, as last read.
    pub(crate) first_boot: FirstBoot,
    /// The last change of health.
    pub(crate) health: HealthChange,
    since: Instant,
    due: Instant,
    is_looked_at: bool,
}

/// All that is known, by container.
pub(crate) type AllSeen = BTreeMap<Vmid, Seen>;

/// Looks after all applications.
pub(crate) fn look_after_forever(engine: &Arc<Engine>) {
    loop {
        thread::sleep(INTERVAL);
        for (config, application) in due(engine) {
            let looking = Arc::clone(engine);
            let vmid = config.vmid;
            let look = move || look(&looking, &config, &application);
            if thread::Builder::new().name("look".into()).spawn(look).is_err() {
                // Out of threads: the next round tries again.
                if let Some(seen) = lock(&engine.seen).get_mut(&vmid) {
                    seen.is_looked_at = false;
                }
            }
        }
    }
}

/// What is known of a running container's application since this very start; `None`: it does not run.
pub(crate) fn seen(engine: &Engine, vmid: Vmid) -> Option<Seen> {
    let ticks = engine.live().get(&vmid)?.init_start_ticks;
    let known = lock(&engine.seen).get(&vmid).cloned().filter(|s| s.init_start_ticks == ticks);
    Some(known.unwrap_or_else(|| Seen::new(ticks)))
}

/// Running containers with an application whose time has come, marked as looked at.
fn due(engine: &Engine) -> Vec<(ContainerConfig, InstalledApplication)> {
    let live: BTreeMap<Vmid, u64> = engine.live().iter().map(|(v, i)| (*v, i.init_start_ticks)).collect();
    lock(&engine.seen).retain(|vmid, _| live.contains_key(vmid));
    if live.is_empty() {
        return Vec::new();
    }
    let rows = engine.store().list_containers().unwrap_or_default();
    let mut all = lock(&engine.seen);
    let mut looks = all.values().filter(|s| s.is_looked_at).count();
    let mut due = Vec::new();
    for row in rows {
        let vmid = row.config.vmid;
        let (Some(ticks), Some(application)) = (live.get(&vmid), row.config.application.clone()) else {
            continue;
        };
        let seen = all.entry(vmid).or_insert_with(|| Seen::new(*ticks));
        if seen.init_start_ticks != *ticks {
            // Started anew, by whomever.
            *seen = Seen::new(*ticks);
        }
        // One that is frozen cannot answer, and is not ill for that.
        let is_due = !seen.is_looked_at && seen.due <= Instant::now() && looks < LOOKS_MAX;
        if is_due && !engine.runtime.is_frozen(vmid) {
            seen.is_looked_at = true;
            looks += 1;
            due.push((row.config, *application));
        }
    }
    due
}

impl Seen {
    fn new(init_start_ticks: u64) -> Self {
        let health = HealthChange { at: clock::now(), state: HealthState::Starting, detail: String::new() };
        let now = Instant::now();
        Self {
            init_start_ticks,
            first_boot: FirstBoot::default(),
            health,
            since: now,
            due: now,
            is_looked_at: false,
        }
    }
}

fn look(engine: &Arc<Engine>, config: &ContainerConfig, application: &InstalledApplication) {
    let vmid = config.vmid;
    let first_boot = read_first_boot(engine, vmid);
    let has_failed = first_boot.as_ref().is_some_and(|b| b.failed().is_some());
    let found = match first_boot.as_ref().and_then(FirstBoot::failed) {
        Some(step) => Err(format!("{} failed", step.name)),
        None if first_boot.as_ref().is_none_or(|b| !b.is_done()) => {
            Err("the first boot is not done yet".into())
        }
        None => probe(engine, config, application),
    };
    let Some((old, new)) = note(engine, vmid, first_boot, found, application) else { return };
    if old.state != new.state
        && let Err(error) = remember(engine, vmid, &new)
    {
        tracing::warn!(%vmid, error = %chain(&error), "a change of health could not be stored");
    }
    observe::tell(engine, vmid);
    // A first boot that failed needs somebody who looks at it: it would fail again.
    if config.restarts_unhealthy && !has_failed {
        healing::heal(engine, vmid, &new);
    }
}

/// A start of the engine or of the container is no change.
fn remember(engine: &Engine, vmid: Vmid, new: &HealthChange) -> Result<(), store::StoreError> {
    let last = engine.store().list_health(vmid, 1)?;
    if last.first().is_some_and(|l| l.state == new.state) {
        Ok(())
    } else {
        engine.store().add_health(vmid, new)
    }
}

/// Takes down what was found; gives the health before and after, `None` when the container is gone.
fn note(
    engine: &Engine,
    vmid: Vmid,
    first_boot: Option<FirstBoot>,
    found: Result<String, String>,
    application: &InstalledApplication,
) -> Option<(HealthChange, HealthChange)> {
    let mut all = lock(&engine.seen);
    let seen = all.get_mut(&vmid)?;
    seen.is_looked_at = false;
    let has_failed = first_boot.as_ref().is_some_and(|b| b.failed().is_some());
    if let Some(first_boot) = first_boot {
        seen.first_boot = first_boot;
    }
    let timeout = application.about.health.as_ref().map_or(120, |h| h.start_timeout_s);
    if has_failed {
        // The time that it has counts from its next try.
        seen.since = Instant::now();
    }
    let is_late = has_failed || seen.since.elapsed() > Duration::from_secs(timeout.into());
    // One that was tried again begins anew.
    let is_booting = !has_failed && !seen.first_boot.is_done();
    let (state, detail) = match found {
        Ok(detail) => (HealthState::Healthy, detail),
        Err(detail) if is_booting && !is_late => (HealthState::Starting, detail),
        Err(detail) if seen.health.state == HealthState::Starting && !is_late => {
            (HealthState::Starting, detail)
        }
        Err(detail) => (HealthState::Unhealthy, detail),
    };
    seen.due = Instant::now()
        + match state {
            HealthState::Healthy => WHEN_WELL,
            HealthState::Unhealthy => WHEN_ILL,
            HealthState::Starting => Duration::ZERO,
        };
    let old = seen.health.clone();
    let at = if old.state == state { old.at } else { clock::now() };
    seen.health = HealthChange { at, state, detail };
    Some((old, seen.health.clone()))
}

/// `None` when the container could not be asked.
fn read_first_boot(engine: &Engine, vmid: Vmid) -> Option<FirstBoot> {
    let known = lock(&engine.seen).get(&vmid).map(|s| s.first_boot.clone());
    if let Some(known) = known.filter(|b| !b.steps.is_empty() && b.is_done()) {
        return Some(known);
    }
    let said = engine.runtime.run(vmid, &FIRST_BOOT, PATIENCE, OUTPUT_MAX).ok()?;
    said.code?;
    let (status, failure) = said.output.split_once("\n\n").unwrap_or((&said.output, ""));
    Some(FirstBoot::parse(status, failure))
}

/// Tries the application's check; what was seen either way.
fn probe(
    engine: &Engine,
    config: &ContainerConfig,
    application: &InstalledApplication,
) -> Result<String, String> {
    let address = observe::addresses(engine, config).first().copied().map(IpAddr::from);
    let at = |port: u16| address.map(|a| SocketAddr::new(a, port)).ok_or("it has no address".to_owned());
    match application.about.health.as_ref().map(|h| &h.probe) {
        None => Ok(String::new()),
        Some(Probe::Http { port, path, status, contains }) => {
            let at = at(*port)?;
            let contains = fill(contains, &at.ip().to_string(), &application.values);
            from_near(engine, config, || http(&format!("http://{at}{path}"), status, &contains))
        }
        Some(Probe::Tcp { port }) => {
            let at = at(*port)?;
            let connect = || TcpStream::connect_timeout(&at, PATIENCE).map_err(|e| format!("{at}: {e}"));
            from_near(engine, config, || connect().map(|_| format!("{at} answers")))
        }
        Some(Probe::Command { argv }) => {
            let words: Vec<&str> = argv.iter().map(String::as_str).collect();
            let ended =
                engine.runtime.run(config.vmid, &words, PATIENCE, OUTPUT_MAX).map_err(|e| chain(&e))?;
            let last = ended.output.lines().last().unwrap_or_default();
            let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
            match ended.code {
                Some(0) => Ok(last),
                Some(code) => Err(format!("{} ended with {code}: {last}", argv.join(" "))),
                None => Err(format!("{} did not end in time", argv.join(" "))),
            }
        }
    }
}

/// Tries it from the host; where the container is in a LAN, in which the host may have no address at all, from the
/// container's own network: that tells of the application, not of the way to it.
fn from_near(
    engine: &Engine,
    config: &ContainerConfig,
    connect: impl FnOnce() -> Result<String, String> + Send,
) -> Result<String, String> {
    if config.nic.as_ref().and_then(Nic::lan).is_none() {
        return connect();
    }
    let info = engine.live().get(&config.vmid).cloned().ok_or("it does not run")?;
    engine.runtime.in_network(&info, connect).map_err(|e| format!("its network cannot be entered: {e}"))?
}

fn http(url: &str, good: &[u16], contains: &str) -> Result<String, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build()
        .into();
    let mut answer = agent.get(url).call().map_err(|e| format!("{url}: {e}"))?;
    let status = answer.status().as_u16();
    if !good.contains(&status) {
        return Err(format!("{url} answers with {status}"));
    }
    let mut body = Vec::new();
    let read = answer.body_mut().as_reader().take(BODY_MAX).read_to_end(&mut body);
    read.map_err(|e: io::Error| format!("{url}: {e}"))?;
    if String::from_utf8_lossy(&body).contains(contains) {
        Ok(format!("{url} answers with {status}"))
    } else {
        Err(format!("{url} answers with {status}, but {} bytes without {contains:?}", body.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener};

    use super::*;

    /// Answers one request with these bytes.
    fn answering(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        });
        format!("http://{address}/")
    }

    #[test]
    fn a_page_is_good_by_its_status_and_what_it_holds() {
        let good = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert!(http(&answering(good), &[200], "hell").is_ok());
        let without = http(&answering(good), &[200], "blog").unwrap_err();
        assert!(without.contains("5 bytes without"), "{without}");
        let empty = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        assert!(http(&answering(empty), &[200], "hello").is_err());
        let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert!(http(&answering(moved), &[200], "").unwrap_err().contains("302"));
        assert!(http(&answering("nonsense\r\n\r\n"), &[200], "").is_err());
        assert!(http("http://127.0.0.1:1/", &[200], "").is_err());
    }
}

//! `kiste worker fetch`: one file from a server, as a user without any right on the host.
//!
//! Its programs and its folder are all it sees. What the server says is believed only as far as it costs
//! nothing: the engine looks at the file afterwards.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    net::SocketAddr,
    os::fd::OwnedFd,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use linux::sandbox;
use model::{Bytes, idmap::IdMap};
use rustix::fs::{Mode, OFlags};
use ureq::{
    Agent, Body,
    config::Config,
    http::{Response, Uri, header},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};
use url::Url;

use super::{Confinement, run_confined, tell};
use crate::{
    fetch::{FetchPlan, PART, is_public, route},
    report::Report,
};

/// Largest plan.
const PLAN_MAX: u64 = 64 << 10;
/// A server that says nothing, or next to nothing, for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Fewest bytes in that time.
const TRICKLE: u64 = 4096;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// Tries after a connection that broke.
const TRIES: u32 = 5;
/// Whom the host trusts.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Reads the plan and does it, confined.
pub(super) fn run(ids: IdMap, folder: &Path) -> io::Result<i32> {
    let reach = sandbox::Reach::ToolsAndNetwork(1 << 20);
    let confinement = Confinement { plan_max: PLAN_MAX, reach, memory_max: 1 << 30, cpu_max_s: 3600 };
    run_confined(ids, folder, &confinement, |folder, plan: FetchPlan| fetch(&plan, folder))
}

/// What can be tried again with what is there, and what cannot.
enum Stop {
    Broken(String),
    Refused(String),
}

fn fetch(plan: &FetchPlan, folder: &OwnedFd) -> Result<(), String> {
    let mut download = Download::open(plan, folder)?;
    let mut tries = 0;
    loop {
        let before = download.done;
        match download.run() {
            Ok(()) => return Ok(()),
            Err(Stop::Refused(why)) => return Err(why),
            Err(Stop::Broken(why)) => {
                // Counted anew after each part: a line that breaks now and then gets there in the end.
                tries = if download.done > before { 1 } else { tries + 1 };
                if tries >= TRIES || !plan.is_checked && download.done > 0 {
                    return Err(why);
                }
                tell(&Report::Line(format!("{why}; tried again from {}", Bytes(download.done))));
            }
        }
    }
}

struct Download<'a> {
    plan: &'a FetchPlan,
    agents: Agents,
    file: File,
    done: u64,
}

impl<'a> Download<'a> {
    fn open(plan: &'a FetchPlan, folder: &OwnedFd) -> Result<Self, String> {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = rustix::fs::openat(folder, PART, flags, Mode::from_raw_mode(0o600));
        let mut file: File = open.map_err(|e| format!("cannot make the file: {e}"))?.into();
        let done = file.seek(io::SeekFrom::End(0)).map_err(|e| format!("cannot go on with the file: {e}"))?;
        Ok(Self { plan, agents: Agents::new(plan)?, file, done })
    }

    /// Asks for what is missing.
    fn run(&mut self) -> Result<(), Stop> {
        if self.plan.size.is_some_and(|size| size.0 == self.done && self.done > 0) {
            return Ok(());
        }
        if self.plan.size.is_some_and(|size| size.0 < self.done) {
            self.start_over()?;
        }
        let (url, response) = self.ask()?;
        match response.status().as_u16() {
            200 => self.start_over()?,
            206 if continues(&response, self.done) => {}
            // What is there is not the beginning of what it has.
            206 | 416 if self.done > 0 => {
                self.start_over()?;
                return Err(Stop::Broken(format!("{url} does not go on where it stopped")));
            }
            code @ (408 | 429 | 500..=599) => {
                return Err(Stop::Broken(format!(
                    "{url} answers {code}: its server has a problem, try later"
                )));
            }
            code => {
                return Err(Stop::Refused(format!("{url} answers {code}: look whether it is still there")));
            }
        }
        self.check_promise(&url, &response)?;
        self.take_in(&url, response.into_body())
    }

    /// Follows redirects by hand, so that each is looked at.
    fn ask(&self) -> Result<(Url, Response<Body>), Stop> {
        let parse = |text: &str| route::parse(text).map_err(|why| Stop::Refused(format!("{text}: {why}")));
        let (mut url, origin) = (parse(&self.plan.url)?, parse(&self.plan.origin)?);
        for _ in 0..=route::REDIRECTS_MAX {
            let mut request = self.agents.of(route::is_same_server(&url, &origin)).get(url.as_str());
            // What counts is the file, not a smaller form of it.
            request = request.header(header::ACCEPT_ENCODING, "identity");
            if self.done > 0 {
                request = request.header(header::RANGE, format!("bytes={}-", self.done));
            }
            let response = request.call().map_err(|e| explain(&url, e))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((url, response));
            }
            let location = response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok());
            let location = location
                .ok_or_else(|| Stop::Refused(format!("{url} redirects, but does not say where to")))?;
            url = route::follow(&url, location).map_err(Stop::Refused)?;
        }
        Err(Stop::Refused(format!("{} redirects more than {} times", self.plan.url, route::REDIRECTS_MAX)))
    }

    /// Before a byte of it is taken.
    fn check_promise(&self, url: &Url, response: &Response<Body>) -> Result<(), Stop> {
        let Some(length) = response.body().content_length() else {
            tell_expected(self.plan.size);
            return Ok(());
        };
        let all = Bytes(self.done.saturating_add(length));
        let refused = |limit: String| Err(Stop::Refused(format!("{url} is {all}, {limit}: not fetched")));
        match self.plan.size {
            Some(size) if size != all => return refused(format!("but {size} was promised")),
            _ if all > self.plan.max => return refused(format!("more than the {} allowed", self.plan.max)),
            _ => {}
        }
        tell_expected(Some(all));
        Ok(())
    }

    fn take_in(&mut self, url: &Url, body: Body) -> Result<(), Stop> {
        let limit = self.plan.size.unwrap_or(self.plan.max).0;
        let mut body = body.into_reader();
        let mut buffer = vec![0; 128 << 10];
        let (mut told, mut watch) = (None::<Instant>, (Instant::now(), self.done));
        loop {
            let n = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) => return Err(Stop::Broken(format!("{url} broke off at {}: {e}", Bytes(self.done)))),
            };
            if self.done + n as u64 > limit {
                self.start_over()?;
                return Err(Stop::Refused(format!("{url} sends more than {}: not fetched", Bytes(limit))));
            }
            self.file.write_all(&buffer[..n]).map_err(|e| Stop::Refused(full(&e)))?;
            self.done += n as u64;
            if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                told = Some(Instant::now());
                tell(&Report::Progress(Bytes(self.done)));
            }
            if watch.0.elapsed() >= PATIENCE {
                if self.done - watch.1 < TRICKLE {
                    return Err(Stop::Broken(format!("{url} sends next to nothing")));
                }
                watch = (Instant::now(), self.done);
            }
        }
        tell(&Report::Progress(Bytes(self.done)));
        match self.plan.size {
            Some(size) if size.0 != self.done => {
                Err(Stop::Broken(format!("{url} ends at {}, {size} was promised", Bytes(self.done))))
            }
            _ => Ok(()),
        }
    }

    fn start_over(&mut self) -> Result<(), Stop> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        self.done = 0;
        emptied.map_err(|e| Stop::Refused(full(&e)))
    }
}

fn tell_expected(size: Option<Bytes>) {
    if let Some(size) = size {
        tell(&Report::Expect(size));
    }
}

fn full(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space and repeat, it goes on from there".to_owned()
        }
        _ => format!("cannot write the file: {error}"),
    }
}

fn continues(response: &Response<Body>, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|r| r.to_str().ok());
    let start = range.and_then(|r| r.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok());
    from > 0 && start == Some(from)
}

fn explain(url: &Url, error: ureq::Error) -> Stop {
    match error {
        ureq::Error::HostNotFound => {
            Stop::Broken(format!("{url}: its host is not found; look at the address and at the host's DNS"))
        }
        ureq::Error::Other(e) if e.is::<Private>() => Stop::Refused(format!("{url} is not asked: {e}")),
        ureq::Error::Timeout(_) => Stop::Broken(format!("{url} does not answer")),
        error => Stop::Broken(format!("cannot reach {url}: {error}")),
    }
}

/// Two ways to ask: anywhere, and among public addresses only.
struct Agents {
    anywhere: Agent,
    public: Agent,
}

impl Agents {
    fn new(plan: &FetchPlan) -> Result<Self, String> {
        // This process has one thread yet, and reads its environment only here.
        let proxy = |scheme: &str| {
            let set = plan.proxies.iter().find(|(name, _)| *name == format!("{scheme}_proxy"));
            set.and_then(|(_, proxy)| ureq::Proxy::new(proxy).ok())
        };
        let scheme = if plan.url.starts_with("https:") { "https" } else { "http" };
        let config = || -> Result<Config, String> {
            Ok(Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .user_agent(concat!("kiste/", env!("CARGO_PKG_VERSION")))
                .timeout_connect(Some(PATIENCE))
                .timeout_resolve(Some(PATIENCE))
                .timeout_recv_response(Some(PATIENCE))
                .timeout_per_read(Some(PATIENCE))
                .proxy(proxy(scheme))
                .tls_config(tls(plan.any_certificate)?)
                .build())
        };
        let connector = DefaultConnector::default;
        Ok(Self {
            anywhere: Agent::with_parts(config()?, connector(), DefaultResolver::default()),
            public: Agent::with_parts(config()?, connector(), PublicOnly(DefaultResolver::default())),
        })
    }

    fn of(&self, is_origin: bool) -> &Agent {
        if is_origin { &self.anywhere } else { &self.public }
    }
}

fn tls(any_certificate: bool) -> Result<TlsConfig, String> {
    let pem = match std::fs::read(CERTIFICATES) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(|e| format!("cannot read {CERTIFICATES}: {e}"))?,
    };
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&certificates))
        .unversioned_rustls_crypto_provider(provider)
        .disable_verification(any_certificate)
        .build())
}

/// Finds public addresses only. The connection goes to what was found here, so nobody can change it between.
#[derive(Debug)]
struct PublicOnly(DefaultResolver);

#[derive(Debug, thiserror::Error)]
#[error("its address {0} is a private one, and it is not the server that was configured")]
struct Private(SocketAddr);

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout)?;
        match found.iter().find(|a| !is_public(a.ip())) {
            Some(private) => Err(ureq::Error::Other(Box::new(Private(*private)))),
            None => Ok(found),
        }
    }
}

//! The engine: the only process that decides. It knows what is wanted, sees what is, and does the rest.
//!
//! | part | task |
//! | --- | --- |
//! | [`server`] | sockets, connections, one call at a time |
//! | [`access`] | who calls and whether they may |
//! | [`sign_in`] | throttle and console tickets |
//! | [`api`] | one file a subject: from a call to a reply or a task |
//! | [`tasks`] | long operations: steps, undo, journal, log |
//! | [`healing`] | restarts what keeps being ill |
//! | [`observe`] | what the kernel shows, as status and figures |
//! | [`recover`] | after a crash: resume or undo, find running containers again |
//! | [`doctor`] | checks of the host |
//!
//! Threads, no async runtime: a connection and a task have one each. It builds no HTML and calls the
//! kernel through floors 1 and 2 only.

mod access;
mod api;
mod applications;
mod audit;
mod clock;
pub mod doctor;
mod error;
mod events;
mod healing;
mod observe;
mod recover;
mod server;
mod sign_in;
mod streams;
mod tasks;
mod vault;

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
};

use images::ImageStore;
use model::{Subnet, Vmid, config::Config, finding::FindingLevel, idmap::HostUid, limits::HostCapacity};
use network::{Network, NetworkSpec};
use protocol::{
    engine::{ApiError, Secret},
    shim::ShimInfo,
};
use runtime::{Runtime, Watcher};
use storage::{StorageDriver, plain::Plain};
use store::Store;
use thiserror::Error;

pub use server::listen_private;

/// The database's name below the data folder.
pub(crate) const DATABASE: &str = "kiste.db";
/// Where the network that was chosen is remembered.
pub(crate) const SUBNET: &str = "subnet";

/// The service of one instance.
#[derive(Debug)]
pub struct Engine {
    /// Held as long as the engine: no other one works in its data folder.
    _lock: storage::DataDirLock,
    config: Config,
    store: Store,
    pool: Box<dyn StorageDriver>,
    images: ImageStore,
    runtime: Runtime,
    network: Network,
    subnet: Subnet,
    capacity: HostCapacity,
    hub: events::Hub,
    running: tasks::Running,
    sign_in: sign_in::SignIn,
    /// Held while number, ids and address of a new container are chosen and written down.
    reserving: Mutex<()>,
    /// Held while layers are unpacked and given to a template, and while unused ones are removed.
    installing: Mutex<()>,
    /// Held while limits are changed, and while a start takes up the last ones.
    changing: Mutex<()>,
    /// Containers whose init runs, as their shims said last.
    live: Mutex<BTreeMap<Vmid, ShimInfo>>,
    readings: Mutex<BTreeMap<Vmid, protocol::engine::view::Usage>>,
    /// Applications, as last seen.
    seen: Mutex<applications::AllSeen>,
    /// Those that were restarted because they were ill.
    restarts: Mutex<BTreeMap<Vmid, healing::Restarts>>,
    /// For what is remembered of them.
    vault: auth::Vault,
    watcher: OnceLock<Watcher>,
    /// Unix seconds; part of task ids.
    started: u32,
}

/// The engine cannot start.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The kernel lacks something that nothing works without.
    #[error("this host does not do: {0}; {1}")]
    Host(String, String),
    /// The data folder.
    #[error("the data folder is not usable")]
    Storage(#[from] storage::StorageError),
    /// There are containers, but nothing that knows them: an empty database would give their ids away.
    #[error("{0} is missing although containers lie beside it: put it back, or move the whole folder away")]
    LostDatabase(PathBuf),
    /// The database.
    #[error("the database is not usable")]
    Store(#[from] store::StoreError),
    /// Cgroups, shim, filter.
    #[error("containers cannot be run on this host")]
    Runtime(#[from] runtime::RuntimeError),
    /// Bridge, rules, server.
    #[error("the network cannot be set up")]
    Network(#[from] network::NetworkError),
    /// No network is free, or the kept one is crooked.
    #[error("no free private network was found: set `subnet` in the configuration")]
    Subnet,
    /// The key of the stored secrets.
    #[error("the key file secret.key in the data folder cannot be read or made")]
    Key(#[source] std::io::Error),
    /// Threads or sockets.
    #[error("the engine cannot start its threads")]
    Threads(#[source] std::io::Error),
    /// The watching thread.
    #[error("the engine cannot watch containers")]
    Watch(#[source] protocol::ChannelError),
}

impl Engine {
    /// Opens everything an instance has, sets up its network, and puts right what a crash left.
    /// `worker` is the binary that unpacks archives.
    ///
    /// # Errors
    /// [`OpenError`] says what is missing.
    pub fn open(config: Config, worker: PathBuf) -> Result<Arc<Self>, OpenError> {
        let missing = runtime::host::findings().into_iter().find(|f| f.level == FindingLevel::Blocker);
        if let Some(finding) = missing {
            return Err(OpenError::Host(finding.found, finding.mend));
        }
        storage::prepare_data_dir(&config.data_dir)?;
        let lock = storage::lock_data_dir(&config.data_dir)?;
        let database = config.data_dir.join(DATABASE);
        if !database.exists() && !storage::is_unused(&config.data_dir) {
            return Err(OpenError::LostDatabase(database));
        }
        let store = Store::open(&database)?;
        let vault = vault::open(&config.data_dir).map_err(OpenError::Key)?;
        let pool = Box::new(Plain::new(&config.data_dir));
        let images = ImageStore { data_dir: config.data_dir.clone(), worker, ids: config.ids.own_slot() };
        let runtime = Runtime::new(&config.run_dir, &config.bridge)?;
        for finding in runtime::host::raise_sysctls(&config.run_dir.join("sysctls")) {
            tracing::warn!(found = %finding.found, mend = %finding.mend, "a host setting");
        }
        let subnet = kept_subnet(&config, &store)?;
        let spec = NetworkSpec {
            bridge: config.bridge.clone(),
            subnet,
            run_dir: config.run_dir.clone(),
            server_cgroup: Some(runtime.service_group("dnsmasq")),
        };
        let endpoints = recover::endpoints(&store)?;
        let has_containers = !endpoints.is_empty();
        let network = Network::ensure(spec, endpoints).inspect_err(|_| {
            // Nobody comes back for the empty groups of a start that was refused.
            if !has_containers && let Err(error) = runtime.remove() {
                tracing::warn!(%error, "cgroups could not be removed");
            }
        })?;
        let engine = Arc::new(Self {
            capacity: runtime::host::capacity(),
            started: clock::now_u32(),
            hub: events::Hub::default(),
            running: tasks::Running::default(),
            sign_in: sign_in::SignIn::default(),
            reserving: Mutex::default(),
            installing: Mutex::default(),
            changing: Mutex::default(),
            live: Mutex::default(),
            readings: Mutex::default(),
            seen: Mutex::default(),
            restarts: Mutex::default(),
            vault,
            watcher: OnceLock::new(),
            _lock: lock,
            config,
            store,
            pool,
            images,
            runtime,
            network,
            subnet,
        });
        engine.watch().map_err(OpenError::Watch)?;
        recover::recover(&engine)?;
        Ok(engine)
    }

    /// Serves the local socket, for host root, and the web process's, for the one user id that it runs
    /// with; looks after containers; returns at once.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn serve(self: &Arc<Self>, local: OwnedFd, web: OwnedFd, web_uid: HostUid) -> Result<(), OpenError> {
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.into()).spawn(work).map(|_| ()).map_err(OpenError::Threads)
        };
        let engine = Arc::clone(self);
        spawn("socket", Box::new(move || server::serve(&engine, &local, access::Door::Local, 0)))?;
        let engine = Arc::clone(self);
        let serve_web = move || server::serve(&engine, &web, access::Door::Web, web_uid.0);
        spawn("web socket", Box::new(serve_web))?;
        let engine = Arc::clone(self);
        spawn("applications", Box::new(move || applications::look_after_forever(&engine)))?;
        let engine = Arc::clone(self);
        spawn("sources", Box::new(move || tasks::sources::refresh_forever(&engine)))?;
        let engine = Arc::clone(self);
        spawn("observe", Box::new(move || observe::observe_forever(&engine)))
    }

    /// A new setup code while no administrator exists, for the terminal of who started the service.
    ///
    /// # Errors
    /// When the database or the kernel's random bytes fail.
    pub fn setup_code(&self) -> Result<Option<Secret>, ApiError> {
        api::make_setup_code(self)
    }

    /// When no container runs, takes bridge, rules, server and cgroups away; else leaves all as it is. So it does
    /// when a task is at work on a container, which may be about to run: the next engine goes on with it.
    pub fn shut_down(&self) {
        let at_work = self.running.close();
        for task in &at_work {
            tracing::info!(%task, "a task is cut off: the next start goes on with it or undoes it");
        }
        if at_work.is_empty() && self.live().is_empty() {
            self.network.remove();
            if let Err(error) = self.runtime.remove() {
                tracing::warn!(%error, "cgroups could not be removed");
            }
        }
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<Vmid, ShimInfo>> {
        lock(&self.live)
    }
}

/// Takes a lock also after a panic in another thread: what the engine's locks guard is whole at any time, each
/// change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The configured network, else the one chosen at first start, else a free one that is then kept. One that a
/// route of the host has come to overlap is chosen anew only while no container has an address of it.
fn kept_subnet(config: &Config, store: &Store) -> Result<Subnet, OpenError> {
    let routes = network::subnet::host_routes(config.bridge.as_str());
    let overlap = |subnet: &Subnet| network::subnet::find_overlap(subnet.network(), &routes);
    let kept = match config.subnet {
        Some(subnet) => Some(subnet),
        None => {
            let kept = store.find_setting(SUBNET)?;
            kept.map(|text| text.parse().map_err(|_| OpenError::Subnet)).transpose()?
        }
    };
    match kept.map(|subnet| (subnet, overlap(&subnet))) {
        Some((subnet, None)) => return Ok(subnet),
        Some((subnet, Some(route))) if config.subnet.is_some() || !store.taken_addresses()?.is_empty() => {
            let network = subnet.network();
            tracing::warn!(%network, %route, "the network overlaps a route of the host, so some addresses cannot be reached: set another `subnet`");
            return Ok(subnet);
        }
        _ => {}
    }
    let chosen = network::subnet::choose(&routes).ok_or(OpenError::Subnet)?;
    store.set_setting(SUBNET, Some(&chosen.to_string()))?;
    Ok(chosen)
}

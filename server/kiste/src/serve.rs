//! Running the engine in the foreground until a signal, with a web process beside it.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read},
    net::{SocketAddr, TcpListener},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::Engine;
use model::config::Config;
use thiserror::Error;

use crate::web_process;

/// The local socket's name below `run_dir`.
pub(crate) const LOCAL_SOCKET: &str = "engine.sock";
/// The web process's socket.
const WEB_SOCKET: &str = "web.sock";
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// The engine could not be run.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    /// Not root.
    #[error("`kiste serve` must be run as root")]
    NotRoot,
    /// The folder for sockets.
    #[error("cannot prepare {0}")]
    RunDir(PathBuf, #[source] io::Error),
    /// The engine itself.
    #[error("the engine cannot start")]
    Open(#[from] engine::OpenError),
    /// The socket.
    #[error("cannot listen at {0}")]
    Socket(PathBuf, #[source] protocol::ChannelError),
    /// The port.
    #[error("cannot listen on {0}: end the other program, or set `listen` in the configuration")]
    Port(SocketAddr, #[source] io::Error),
    /// Certificate and key.
    #[error("the web process has no certificate")]
    Tls(#[from] web::tls::TlsError),
    /// The web process.
    #[error("the web process cannot be started")]
    Web(#[source] io::Error),
    /// The setup code.
    #[error("no setup code can be made")]
    SetupCode(#[source] Box<protocol::engine::ApiError>),
    /// Signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// Serves until SIGINT or SIGTERM. Containers keep running.
pub(crate) fn serve(config: Config) -> Result<(), ServeError> {
    log_to_standard_error();
    if fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap_or(1) != 0 {
        return Err(ServeError::NotRoot);
    }
    // Before any thread, so that every thread leaves these signals to the descriptor.
    let signals = linux::process::signal_descriptor(&[SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    linux::process::set_blocking(&signals).map_err(ServeError::Signals)?;
    linux::process::raise_open_files();
    prepare_run_dir(&config)?;
    let tcp = TcpListener::bind(config.listen).map_err(|e| ServeError::Port(config.listen, e))?;
    let program = std::env::current_exe().map_err(|e| ServeError::RunDir("/proc/self/exe".into(), e))?;
    // What can be wrong with files of the operator's comes before anything is made.
    let configured = config.tls.is_some().then(|| tls(&config)).transpose()?;
    let engine = Engine::open(config.clone(), program)?;
    let served = serve_until_signal(&config, &engine, tcp, configured, signals);
    // Whatever ended it: nothing stays that serves nobody.
    for socket in [LOCAL_SOCKET, WEB_SOCKET] {
        let _ = fs::remove_file(config.run_dir.join(socket));
    }
    engine.shut_down();
    served
}

fn serve_until_signal(
    config: &Config,
    engine: &Arc<Engine>,
    tcp: TcpListener,
    configured: Option<Vec<u8>>,
    signals: OwnedFd,
) -> Result<(), ServeError> {
    let local = config.run_dir.join(LOCAL_SOCKET);
    let web = config.run_dir.join(WEB_SOCKET);
    let uid = config.ids.web_uid();
    engine.serve(listen(&local)?, listen_for(&web, uid.0)?, uid)?;
    let pem = configured.map_or_else(|| tls(config), Ok)?;
    let address = tcp.local_addr().map_err(|e| ServeError::Port(config.listen, e))?;
    let supply = web_process::Supply {
        listener: tcp,
        tls: linux::spawn::sealed_memfd("tls", &pem).map_err(ServeError::Web)?,
        socket: linux::disk::open_path(&web).map_err(ServeError::Web)?,
        program: File::open("/proc/self/exe").map_err(ServeError::Web)?,
        uid: uid.0,
        node: config.node.to_string(),
        hosts: config.hosts.clone(),
    };
    web_process::keep(supply).map_err(ServeError::Web)?;
    welcome(engine, address, &pem)?;
    let _ = File::from(signals).read(&mut [0; 128]).map_err(ServeError::Signals)?;
    tracing::info!("kiste ends; running containers keep running");
    Ok(())
}

/// Tells whoever started it where to go; the only lines on standard output.
fn welcome(engine: &Engine, address: SocketAddr, pem: &[u8]) -> Result<(), ServeError> {
    let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { address.ip().to_string() };
    println!("Kiste serves https://{host}:{}/", address.port());
    println!("Certificate (SHA-256): {}", web::tls::fingerprint(pem)?);
    if let Some(code) = engine.setup_code().map_err(|e| ServeError::SetupCode(Box::new(e)))? {
        println!("Setup code, good once: {}", code.reveal());
    }
    Ok(())
}

/// Certificate and key: the configuration's, else self-signed ones in the data folder.
fn tls(config: &Config) -> Result<Vec<u8>, ServeError> {
    let names = web::tls::self_signed_names(config.node.as_str(), &[]);
    Ok(web::tls::load_or_make(config.tls.as_ref(), &config.data_dir.join("tls"), &names)?)
}

fn listen(socket: &Path) -> Result<OwnedFd, ServeError> {
    engine::listen_private(socket).map_err(|e| ServeError::Socket(socket.to_owned(), e))
}

/// A socket that one other user may open, by the descriptor that it is handed.
fn listen_for(socket: &Path, uid: u32) -> Result<OwnedFd, ServeError> {
    let listener = listen(socket)?;
    let owned = fs::set_permissions(socket, fs::Permissions::from_mode(0o600))
        .and_then(|()| std::os::unix::fs::chown(socket, Some(uid), Some(uid)));
    owned.map_err(|e| ServeError::RunDir(socket.to_owned(), e)).map(|()| listener)
}

/// Everything that is logged goes there; the service manager adds times and keeps it.
pub(crate) fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info".into()))
        .with_writer(io::stderr)
        .init();
}

fn prepare_run_dir(config: &Config) -> Result<(), ServeError> {
    let failed = |e| ServeError::RunDir(config.run_dir.clone(), e);
    DirBuilder::new().mode(0o700).recursive(true).create(&config.run_dir).map_err(failed)?;
    fs::set_permissions(&config.run_dir, fs::Permissions::from_mode(0o700)).map_err(failed)
}

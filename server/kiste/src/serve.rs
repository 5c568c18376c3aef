//! Running the engine in the foreground until a signal.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::PathBuf,
};

use engine::Engine;
use model::config::Config;
use thiserror::Error;

/// The local socket's name below `run_dir`.
pub(crate) const LOCAL_SOCKET: &str = "engine.sock";
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
    /// Signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// Serves until SIGINT or SIGTERM. Containers keep running.
pub(crate) fn serve(config: Config) -> Result<(), ServeError> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()),
        )
        .with_writer(io::stderr)
        .init();
    if fs::metadata("/proc/self").map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap_or(1) != 0 {
        return Err(ServeError::NotRoot);
    }
    // Before any thread, so that every thread leaves these signals to the descriptor.
    let signals = linux::process::signal_descriptor(&[SIGINT, SIGTERM]).map_err(ServeError::Signals)?;
    linux::process::set_blocking(&signals).map_err(ServeError::Signals)?;
    prepare_run_dir(&config)?;
    let worker = std::env::current_exe().map_err(|e| ServeError::RunDir("/proc/self/exe".into(), e))?;
    let socket = config.run_dir.join(LOCAL_SOCKET);
    let engine = Engine::open(config, worker)?;
    let listener = engine::listen_private(&socket).map_err(|e| ServeError::Socket(socket.clone(), e))?;
    engine.serve(listener)?;
    tracing::info!(socket = %socket.display(), "kiste serves");
    let _ = File::from(signals).read(&mut [0; 128]).map_err(ServeError::Signals)?;
    tracing::info!("kiste ends; containers keep running");
    let _ = fs::remove_file(&socket);
    engine.shut_down();
    Ok(())
}

fn prepare_run_dir(config: &Config) -> Result<(), ServeError> {
    let failed = |e| ServeError::RunDir(config.run_dir.clone(), e);
    DirBuilder::new().mode(0o700).recursive(true).create(&config.run_dir).map_err(failed)?;
    fs::set_permissions(&config.run_dir, fs::Permissions::from_mode(0o700)).map_err(failed)
}

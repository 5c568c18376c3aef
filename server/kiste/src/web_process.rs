//! The web process: started by `serve` with everything it needs as open files, and started again when
//! it ends. The child's half is [`main`].
//!
//! Descriptors: 3 the listener, 4 certificate and key, 5 the engine's socket, 6 a pipe whose end tells
//! that `serve` is gone.

use std::{
    fs::File,
    io::{self, PipeWriter, Read, Seek},
    net::TcpListener,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The hidden first argument.
pub(crate) const WORD: &str = "web";
const DESCRIPTORS: usize = 4;
/// A web process that ends sooner than this is not started again at once.
const SOON: Duration = Duration::from_secs(1);

/// What every web process of this `serve` is given.
pub(crate) struct Supply {
    /// Where browsers come in.
    pub(crate) listener: TcpListener,
    /// Certificate and key, PEM, in a memory file.
    pub(crate) tls: OwnedFd,
    /// The engine's socket for the web, opened by path only.
    pub(crate) socket: OwnedFd,
    /// The binary: by descriptor, since its folder may be closed to the web's user.
    pub(crate) program: File,
    /// The web's user.
    pub(crate) uid: u32,
    /// The node's name.
    pub(crate) node: String,
    /// Further names that lead here.
    pub(crate) hosts: Vec<String>,
}

/// Keeps a web process running until this process ends. It starts them from a thread of its own that
/// never ends: the kernel ends a child when the thread that started it does.
pub(crate) fn keep(supply: Supply) -> io::Result<()> {
    let work = move || {
        loop {
            let begun = Instant::now();
            match start(&supply) {
                Ok((mut child, _life)) => {
                    let status = child.wait();
                    tracing::error!(?status, "the web process has ended, another one is started");
                }
                Err(error) => tracing::error!(%error, "the web process cannot be started"),
            }
            thread::sleep(SOON.saturating_sub(begun.elapsed()));
        }
    };
    thread::Builder::new().name("web".into()).spawn(work).map(|_| ())
}

fn start(supply: &Supply) -> io::Result<(Child, PipeWriter)> {
    let (gone, life) = io::pipe()?;
    let mut command = Command::new(format!("/proc/self/fd/{}", supply.program.as_raw_fd()));
    command
        .arg0("kiste")
        .arg(WORD)
        .arg(&supply.node)
        .args(&supply.hosts)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.envs(std::env::vars_os().filter(|(name, _)| name == "RUST_LOG" || name == "TZ"));
    let descriptors: [BorrowedFd<'_>; DESCRIPTORS] =
        [supply.listener.as_fd(), supply.tls.as_fd(), supply.socket.as_fd(), gone.as_fd()];
    let child = linux::unprivileged::spawn(&mut command, supply.uid, &descriptors)?;
    Ok((child, life))
}

/// The child's half: serves until `serve` is gone.
pub(crate) fn main() -> ExitCode {
    crate::serve::log_to_standard_error();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %model::error_chain(error.as_ref()), "the web process cannot serve");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let [listener, tls, socket, gone] = linux::unprivileged::inherited::<DESCRIPTORS>(c"kiste-web")?;
    let mut tls = File::from(tls);
    // One open file for all web processes: the one before has read it to the end.
    tls.rewind()?;
    let mut tls_pem = Vec::new();
    tls.read_to_end(&mut tls_pem)?;
    thread::Builder::new().name("life".into()).spawn(move || {
        let _ = File::from(gone).read(&mut [0]);
        std::process::exit(0);
    })?;
    let engine = PathBuf::from(format!("/proc/self/fd/{}", socket.as_raw_fd()));
    // The program's name and the word that led here come first.
    let mut words = std::env::args().skip(2);
    let (node, hosts) = (words.next().unwrap_or_default(), words.collect());
    let served = web::serve(web::Web { listener: listener.into(), tls_pem, node, hosts, engine });
    drop(socket);
    Ok(served?)
}

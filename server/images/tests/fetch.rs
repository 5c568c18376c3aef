//! Fetching with the real worker from a real server: needs root and the binary in `KISTE_BIN`.
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "a test speaks and panics")]

use std::{
    fs,
    io::Read,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use kiste_images::{
    ImageStore,
    fetch::{FetchOrder, Fetched, Progress},
};
use model::{Bytes, Checksum, idmap::IdRange};
use testkit::file_server::{Answer, FileServer};

/// A folder to fetch into, and who does it.
struct Bench {
    dir: tempfile::TempDir,
    store: ImageStore,
    server: FileServer,
}

fn bench() -> Option<Bench> {
    use std::os::unix::fs::MetadataExt;
    let uid = fs::metadata("/proc/self").unwrap().uid();
    let (0, Some(worker)) = (uid, std::env::var_os("KISTE_BIN").map(PathBuf::from)) else {
        eprintln!("SKIPPED (needs root, KISTE_BIN)");
        assert!(std::env::var_os("KISTE_NO_SKIP").is_none(), "a skip is a failure here");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let ids = IdRange::new(1_000_013_824, 1_310_720).unwrap().own_slot();
    let store = ImageStore { data_dir: dir.path().into(), worker, ids };
    Some(Bench { dir, store, server: FileServer::start() })
}

/// Some bytes that do not repeat soon, and their checksum.
fn content(len: usize) -> (Vec<u8>, Checksum) {
    use std::process::{Command, Stdio};
    let bytes: Vec<u8> = (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut sum = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut sum.stdin.take().unwrap(), &bytes).unwrap();
    let text = String::from_utf8(sum.wait_with_output().unwrap().stdout).unwrap();
    (bytes, text.split(' ').next().unwrap().parse().unwrap())
}

impl Bench {
    fn fetch(&self, order: &FetchOrder<'_>) -> Result<Fetched, String> {
        self.watch(order, &AtomicBool::new(false), &mut |_| {})
    }

    fn watch(
        &self,
        order: &FetchOrder<'_>,
        is_cancelled: &AtomicBool,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Fetched, String> {
        let fetched = self.store.fetch(order, self.dir.path(), is_cancelled, tell);
        fetched.map_err(|e| model::error_chain(&e))
    }

    fn files(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap());
        entries.map(|e| (e.file_name().into_string().unwrap(), e.metadata().unwrap().len())).collect()
    }
}

fn order<'a>(url: &'a str, checksum: Option<&'a Checksum>) -> FetchOrder<'a> {
    FetchOrder { url, origin: url, max: Bytes::mib(8), size: None, any_certificate: false, checksum }
}

fn promised<'a>(url: &'a str, checksum: &'a Checksum) -> FetchOrder<'a> {
    FetchOrder { size: Some(Bytes(1_000_000)), ..order(url, Some(checksum)) }
}

#[test]
fn a_file_comes_whole_and_belongs_to_nobody_else() {
    use std::os::unix::fs::MetadataExt;
    let Some(bench) = bench() else { return };
    let (bytes, sum) = content(3_000_000);
    let url = bench.server.put("/a.tar", Answer::File(bytes.clone()));
    let mut last = None;
    let mut fetched =
        bench.watch(&order(&url, Some(&sum)), &AtomicBool::new(false), &mut |p| last = Some(p)).unwrap();
    let mut got = Vec::new();
    fetched.file.read_to_end(&mut got).unwrap();
    assert!(got == bytes && fetched.size == Bytes(3_000_000));
    assert_eq!(Checksum::Sha256(fetched.sha256), sum);
    assert_eq!(last, Some(Progress { done: Bytes(3_000_000), all: Some(Bytes(3_000_000)) }));
    let about = fs::metadata(&fetched.path).unwrap();
    assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (0, 0, 0o644));
}

#[test]
fn what_breaks_off_is_gone_on_with() {
    let Some(bench) = bench() else { return };
    let (bytes, sum) = content(1_000_000);
    let url = bench.server.put("/a.tar", Answer::Broken(bytes.clone(), 300_000));
    // Within one order.
    let fetched = bench.fetch(&order(&url, Some(&sum))).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    let ranges = ["/a.tar", "/a.tar bytes=300000-", "/a.tar bytes=600000-", "/a.tar bytes=900000-"];
    assert_eq!(bench.server.requests(), ranges);
    // In a later one, from what an earlier one has left: a server that is gone for good.
    fs::remove_file(&fetched.path).unwrap();
    fs::write(bench.dir.path().join("part"), &bytes[..400_000]).unwrap();
    bench.server.put("/a.tar", Answer::File(bytes.clone()));
    let fetched = bench.fetch(&order(&url, Some(&sum))).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(bench.server.requests().last().unwrap(), "/a.tar bytes=400000-");
    // What was there is of another file, or longer than this one: all is fetched anew.
    for left in [vec![b'x'; 400_000], vec![b'x'; 2_000_000]] {
        fs::write(bench.dir.path().join("part"), left).unwrap();
        let fetched = bench.fetch(&order(&url, Some(&sum))).unwrap();
        assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    }
}

#[test]
fn without_a_checksum_two_halves_are_never_put_together() {
    let Some(bench) = bench() else { return };
    let (bytes, _) = content(1_000_000);
    let url = bench.server.put("/a.tar", Answer::Broken(bytes.clone(), 300_000));
    let error = bench.fetch(&order(&url, None)).unwrap_err();
    assert!(error.contains("broke off"), "{error}");
    bench.server.put("/a.tar", Answer::File(bytes.clone()));
    assert_eq!(fs::read(bench.fetch(&order(&url, None)).unwrap().path).unwrap(), bytes);
    assert!(bench.server.requests().iter().all(|r| r == "/a.tar"), "{:?}", bench.server.requests());
}

#[test]
fn servers_that_lie_are_refused() {
    let Some(bench) = bench() else { return };
    let (bytes, sum) = content(1_000_000);
    let (_, other) = content(1_000_001);
    let server = &bench.server;
    for (path, answer, want) in [
        // 3 GB where 300 MB were promised, said and unsaid.
        ("/1", Answer::Claims(bytes.clone(), 3 << 30), "more than the"),
        ("/2", Answer::Endless(vec![0; 9 << 20]), "sends more than"),
        ("/3", Answer::File(bytes.clone()), "not what was promised"),
        ("/4", Answer::Status(404), "answers 404"),
        ("/5", Answer::Status(503), "answers 503"),
        ("/6", Answer::Redirect("/6".into()), "redirects more than"),
        ("/7", Answer::Redirect("file:///etc/passwd".into()), "only http and https"),
        // Another server of this host: a service that listens on loopback only.
        ("/8", Answer::Redirect("http://127.0.0.1:9/x".into()), "private"),
        ("/9", Answer::Redirect("http://localhost:9/x".into()), "private"),
        ("/10", Answer::Redirect("http://[::ffff:127.0.0.1]:9/x".into()), "private"),
    ] {
        let url = server.put(path, answer);
        let error = bench.fetch(&order(&url, Some(&other))).unwrap_err();
        assert!(error.contains(want), "{path}: {error}");
        assert!(bench.files().iter().all(|(name, size)| name == "part" && *size <= 8 << 20), "{path}");
    }
    for (path, answer, want) in [
        ("/a", Answer::File(bytes[1..].to_vec()), "promised"),
        ("/b", Answer::Claims(bytes[1..].to_vec(), 999_999), "promised"),
        ("/c", Answer::Endless([&bytes[..], b"!"].concat()), "sends more than"),
        ("/d", Answer::Endless(bytes[1..].to_vec()), "promised"),
    ] {
        let url = server.put(path, answer);
        let error = bench.fetch(&promised(&url, &sum)).unwrap_err();
        assert!(error.contains(want), "{path}: {error}");
    }
    // What leads to the same server, or is honest, is fetched after all that.
    let url = server.put("/e", Answer::Redirect("/f".into()));
    server.put("/f", Answer::File(bytes));
    bench.fetch(&promised(&url, &sum)).unwrap();
}

#[test]
fn a_cancel_is_heard_while_the_server_says_nothing() {
    let Some(bench) = bench() else { return };
    let (bytes, sum) = content(1_000_000);
    let url = bench.server.put("/a.tar", Answer::Silent(bytes, 500_000));
    let is_cancelled = AtomicBool::new(false);
    let error = bench
        .watch(&order(&url, Some(&sum)), &is_cancelled, &mut |_| is_cancelled.store(true, Ordering::Relaxed))
        .unwrap_err();
    assert!(error.contains("cancelled"), "{error}");
    // It can be gone on with.
    assert!(matches!(&bench.files()[..], [(name, 1..)] if name == "part"), "{:?}", bench.files());
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let Some(bench) = bench() else { return };
    let (bytes, _) = content(1_000_000);
    let url = bench.server.put("/a.tar", Answer::Silent(bytes, 500_000));
    let error = bench.fetch(&order(&url, None)).unwrap_err();
    assert!(error.contains("broke off") && error.contains("timeout"), "{error}");
}

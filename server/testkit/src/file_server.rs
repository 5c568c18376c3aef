//! A web server on loopback that gives files away, and misbehaves where it is told to.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What is at a path.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A file, also by parts (`Range`).
    File(Vec<u8>),
    /// A file by parts, of which each connection gets at most so many bytes.
    Broken(Vec<u8>, usize),
    /// A file that says it is of another size.
    Claims(Vec<u8>, u64),
    /// A file without a word about its size, and without parts.
    Endless(Vec<u8>),
    /// So many bytes of a file, then silence on an open connection.
    Silent(Vec<u8>, usize),
    /// Somewhere else.
    Redirect(String),
    /// No file.
    Status(u16),
}

/// The running server; its threads end with the test's process.
#[derive(Debug)]
pub struct FileServer {
    address: SocketAddr,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FileServer {
    /// Serves nothing yet.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(BTreeMap::new()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shared = (Arc::clone(&answers), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, requests) = shared.clone();
                // A client that goes away is none of our business.
                thread::spawn(move || drop(serve(stream, &answers, &requests)));
            }
        });
        Self { address, answers, requests }
    }

    /// Puts something at a path such as `/a.tar`, in place of what was there, and gives its URL.
    pub fn put(&self, path: &str, answer: Answer) -> String {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
        self.url(path)
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked for so far: `PATH`, or `PATH RANGE`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    answers: &Mutex<BTreeMap<String, Answer>>,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(("range", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
            range = Some(value.to_owned());
        }
    }
    let asked = range.as_ref().map_or_else(|| path.clone(), |range| format!("{path} {range}"));
    requests.lock().unwrap().push(asked);
    let from = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let answer = answers.lock().unwrap().get(&path).cloned().unwrap_or(Answer::Status(404));
    match answer {
        Answer::File(bytes) => {
            let part = head(&mut stream, &bytes, from)?;
            stream.write_all(part)
        }
        Answer::Broken(bytes, most) => {
            let part = head(&mut stream, &bytes, from)?;
            stream.write_all(&part[..most.min(part.len())])
        }
        Answer::Claims(bytes, size) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&bytes)
        }
        Answer::Endless(bytes) => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&bytes)
        }
        Answer::Silent(bytes, most) => {
            let part = head(&mut stream, &bytes, from)?;
            stream.write_all(&part[..most.min(part.len())])?;
            // Until the other side has had enough.
            reader.read_line(&mut line).map(drop)
        }
        Answer::Redirect(to) => write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        Answer::Status(code) => {
            write!(stream, "HTTP/1.1 {code} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
    }
}

/// Writes the head of an answer, and gives what belongs behind it.
fn head<'a>(stream: &mut TcpStream, bytes: &'a [u8], from: Option<usize>) -> std::io::Result<&'a [u8]> {
    let (start, all) = (from.unwrap_or(0).min(bytes.len()), bytes.len());
    let part = &bytes[start..];
    match from {
        Some(_) if start < all => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{all}\r\n",
            all - 1
        )?,
        Some(_) => write!(stream, "HTTP/1.1 416 Range Not Satisfiable\r\n")?,
        None => write!(stream, "HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\n")?,
    }
    write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", part.len())?;
    Ok(part)
}

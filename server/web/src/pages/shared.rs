//! `/template-index/...`: this node's signed index and its archives, for other nodes; without a session, and only
//! where `serve_templates` in the configuration says so. What is given away is settled by the engine.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Bytes, Data},
};
use futures_util::stream;
use protocol::engine::{calls::OpenSharedFile, client::Caller};

use crate::engine::EngineClient;

/// Bytes that are read and sent at once.
const CHUNK: usize = 128 << 10;

/// `GET /template-index/{file}`, whole or from a byte on.
pub(crate) async fn serve(
    request: HttpRequest,
    engine: Data<EngineClient>,
    file: web::Path<String>,
) -> HttpResponse {
    let none = || HttpResponse::NotFound().content_type("text/plain").body("no such file\n");
    let call = OpenSharedFile { file: file.into_inner() };
    let Ok((size, mut riding)) = engine.call_riding(&Caller::default(), call, None).await else {
        return none();
    };
    let Some(fd) = riding.fds.pop() else { return none() };
    let mut file = File::from(fd);
    let range = request.headers().get(header::RANGE).and_then(|r| r.to_str().ok());
    let from = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    let mut answer = match from {
        Some(from) if from >= size.0 => {
            return HttpResponse::RangeNotSatisfiable()
                .insert_header((header::CONTENT_RANGE, format!("bytes */{size}", size = size.0)))
                .finish();
        }
        Some(from) => {
            let mut answer = HttpResponse::PartialContent();
            let range = format!("bytes {from}-{}/{}", size.0 - 1, size.0);
            answer.insert_header((header::CONTENT_RANGE, range));
            answer
        }
        None => HttpResponse::Ok(),
    };
    let from = from.unwrap_or(0);
    if file.seek(SeekFrom::Start(from)).is_err() {
        return none();
    }
    answer.content_type("application/octet-stream").insert_header((header::ACCEPT_RANGES, "bytes"));
    let body = stream::unfold((file, size.0 - from), |(file, left)| async move {
        if left == 0 {
            return None;
        }
        let read = web::block(move || read_chunk(file, left)).await;
        let read = read.map_err(std::io::Error::other).and_then(|inner| inner);
        match read {
            Ok((file, bytes)) => {
                let left = left - bytes.len() as u64;
                Some((Ok(bytes), (file, left)))
            }
            Err(_) => None,
        }
    });
    let body: std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<Bytes, std::io::Error>>>> =
        Box::pin(body);
    answer.no_chunking(size.0 - from).streaming(body)
}

fn read_chunk(mut file: File, left: u64) -> std::io::Result<(File, Bytes)> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(left).unwrap_or(CHUNK))];
    let n = file.read(&mut buffer)?;
    if n == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(n);
    Ok((file, Bytes::from(buffer)))
}

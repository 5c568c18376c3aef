//! The console bridge: a WebSocket on one side, a viewer socket of the shim on the other.
//!
//! A WebSocket is let in from this site's own pages only, and its first message must bring a one-use
//! ticket bound to session, container and terminal. Keys and output are binary messages; sizes and
//! notices are text. The engine ends the viewer when the session ends.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, mpsc as blocking},
    thread,
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, Session};
use futures_util::StreamExt;
use protocol::{
    engine::{
        ApiError, ErrorKind, Secret,
        calls::{ConsoleKind, NewConsoleTicket, OpenConsole},
    },
    viewer::{self, DATA_MAX, Frame, RecvFlags, SendFlags, TermSize},
};
use serde::Deserialize;
use tokio::{sync::mpsc, time};

use crate::{
    engine::{EngineClient, Riding},
    error::{PageError, status},
    form::Form,
    guard,
    pages::containers::parse,
    visitor::SignedIn,
};

/// Largest message that a browser may send; a paste is cut by its script.
const MESSAGE_MAX: usize = 64 * 1024;
/// Frames that wait on either side.
const QUEUE: usize = 64;
/// The first message must come within this time.
const FIRST: Duration = Duration::from_secs(10);
/// A browser that is gone without a word is noticed by this.
const PING: Duration = Duration::from_secs(20);

/// Which terminal, in addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConsoleWord {
    /// A root shell.
    #[default]
    Shell,
    /// The container's own console.
    Login,
}

impl ConsoleWord {
    /// The word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Login => "login",
        }
    }

    fn kind(self) -> ConsoleKind {
        match self {
            Self::Shell => ConsoleKind::Shell,
            Self::Login => ConsoleKind::Login,
        }
    }
}

/// The address's query.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    kind: ConsoleWord,
}

/// What a browser says as text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saying {
    #[serde(default)]
    ticket: Option<String>,
    cols: u16,
    rows: u16,
}

impl Saying {
    fn size(&self) -> TermSize {
        TermSize { cols: self.cols.clamp(2, 1000), rows: self.rows.clamp(1, 1000) }
    }
}

/// `POST /containers/{name}/console/ticket`
pub(crate) async fn ticket(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    query: web::Query<Query>,
    fields: web::Form<BTreeMap<String, String>>,
) -> HttpResponse {
    let form = Form::sent(who.visitor.language, fields.into_inner());
    let issued = match parse(&name) {
        Ok(container) => {
            let call = NewConsoleTicket { container, console: query.kind.kind() };
            engine.call(&who.changing(form.get("csrf")), call).await
        }
        Err(error) => Err(error),
    };
    match issued {
        Ok(ticket) => HttpResponse::Ok().json(serde_json::json!({ "ticket": ticket.reveal() })),
        Err(error) => HttpResponse::build(status(error.kind))
            .json(serde_json::json!({ "error": who.visitor.language.error(&error) })),
    }
}

/// `GET /containers/{name}/console/socket`
pub(crate) async fn socket(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    name: web::Path<String>,
    query: web::Query<Query>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, PageError> {
    let at = |e| PageError::at(&who, "containers", e);
    // Browsers always name the origin of a WebSocket: one without is none of our pages.
    let has_origin = request.headers().contains_key(actix_web::http::header::ORIGIN);
    if !has_origin || !guard::is_same_origin(request.headers()) {
        let text = who.visitor.language.text("error-origin");
        return Err(at(ApiError::new(ErrorKind::Denied, text)));
    }
    let container = parse(&name).map_err(at)?;
    let (response, session, messages) =
        actix_ws::handle(&request, body).map_err(|_| PageError::misfit(&request))?;
    let messages = messages.max_frame_size(MESSAGE_MAX).aggregate_continuations();
    let mut messages = messages.max_continuation_size(MESSAGE_MAX);
    let console = query.kind.kind();
    actix_web::rt::spawn(async move {
        let first = time::timeout(FIRST, messages.recv()).await;
        let Ok(Some(Ok(AggregatedMessage::Text(text)))) = first else { return };
        let Ok(saying) = serde_json::from_str::<Saying>(&text) else { return };
        let size = saying.size();
        let ticket = saying.ticket.map(Secret::new);
        let call = OpenConsole { container, console, size, ticket };
        match engine.call_riding(&who.visitor.caller, call, None).await {
            Ok(((), riding)) => bridge(session, messages, riding).await,
            Err(error) => end(session, &notice("error", &who.visitor.language.error(&error))).await,
        }
    });
    Ok(response)
}

fn notice(kind: &str, text: &str) -> String {
    serde_json::json!({ "notice": kind, "text": text }).to_string()
}

async fn end(mut session: Session, notice: &str) {
    let _ = session.text(notice).await;
    let _ = session.close(Some(CloseReason { code: CloseCode::Normal, description: None })).await;
}

/// What a viewer said, ready for the browser.
enum Output {
    Bytes(Vec<u8>),
    Notice(String),
    End(String),
}

async fn bridge(mut session: Session, mut messages: AggregatedMessageStream, riding: Riding) {
    // Held until the end: the engine ends the viewer when this connection closes.
    let Riding { fds, connection } = riding;
    let Some(viewer) = fds.into_iter().next().map(Arc::new) else {
        return end(session, &notice("error", "no console came")).await;
    };
    let (output_in, mut output) = mpsc::channel(QUEUE);
    let (input, input_out) = blocking::sync_channel::<Input>(QUEUE);
    let (reader, writer) = (Arc::clone(&viewer), Arc::clone(&viewer));
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.into()).stack_size(256 * 1024).spawn(work)
    };
    let started = spawn("console out", Box::new(move || read(&reader, &output_in)))
        .and_then(|_| spawn("console in", Box::new(move || write(&writer, &input_out))));
    let mut ping = time::interval(PING);
    let mut is_alive = true;
    while started.is_ok() {
        tokio::select! {
            said = output.recv() => match said {
                Some(Output::Bytes(bytes)) => {
                    // A browser that does not read must not hold the console.
                    if !matches!(time::timeout(PING * 2, session.binary(bytes)).await, Ok(Ok(()))) { break }
                },
                Some(Output::Notice(text)) => if session.text(text).await.is_err() { break },
                Some(Output::End(text)) => { end(session.clone(), &text).await; break }
                None => { end(session.clone(), &notice("lost", "")).await; break }
            },
            message = messages.next() => match message {
                Some(Ok(message)) => { is_alive = true; if !take(message, &input, &mut session).await { break } }
                _ => break,
            },
            _ = ping.tick() => {
                if !is_alive || session.ping(b"").await.is_err() { break }
                is_alive = false;
            }
        }
    }
    let _ = viewer::hang_up(viewer.as_fd());
    drop(connection);
}

/// What goes to the viewer.
enum Input {
    Bytes(web::Bytes),
    Size(TermSize),
}

/// Takes one message; `false` ends the console. Who types faster than a frozen container reads is cut
/// off rather than buffered without end.
async fn take(
    message: AggregatedMessage,
    input: &blocking::SyncSender<Input>,
    session: &mut Session,
) -> bool {
    match message {
        AggregatedMessage::Binary(bytes) => input.try_send(Input::Bytes(bytes)).is_ok(),
        AggregatedMessage::Text(text) => match serde_json::from_str::<Saying>(&text) {
            Ok(saying) => input.try_send(Input::Size(saying.size())).is_ok(),
            Err(_) => false,
        },
        AggregatedMessage::Ping(bytes) => session.pong(&bytes).await.is_ok(),
        AggregatedMessage::Pong(_) => true,
        AggregatedMessage::Close(_) => false,
    }
}

fn read(viewer: &OwnedFd, output: &mpsc::Sender<Output>) {
    let mut buffer = vec![0; DATA_MAX + 1];
    loop {
        let said = match Frame::recv(viewer.as_fd(), &mut buffer, RecvFlags::empty()) {
            Ok(Some(Frame::Data(bytes) | Frame::ErrorData(bytes))) => Output::Bytes(bytes.to_vec()),
            Ok(Some(Frame::Writer(true))) => Output::Notice(notice("writer", "")),
            Ok(Some(Frame::Writer(false))) => Output::Notice(notice("watching", "")),
            Ok(Some(Frame::Exit(code))) => Output::End(notice("exited", &code.to_string())),
            Ok(Some(Frame::Ended)) => Output::End(notice("ended", "")),
            Ok(Some(Frame::Resize(_) | Frame::EndOfInput)) => continue,
            Ok(None) | Err(_) => return,
        };
        if output.blocking_send(said).is_err() {
            return;
        }
    }
}

fn write(viewer: &OwnedFd, input: &blocking::Receiver<Input>) {
    while let Ok(item) = input.recv() {
        let sent = match item {
            Input::Bytes(bytes) => bytes
                .chunks(DATA_MAX)
                .try_for_each(|chunk| Frame::Data(chunk).send(viewer.as_fd(), SendFlags::empty())),
            Input::Size(size) => Frame::Resize(size).send(viewer.as_fd(), SendFlags::empty()),
        };
        if sent.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_says_is_bounded_and_known() {
        let size = |text: &str| serde_json::from_str::<Saying>(text).map(|s| s.size());
        assert_eq!(size(r#"{"cols":80,"rows":24}"#).unwrap(), TermSize { cols: 80, rows: 24 });
        assert_eq!(size(r#"{"cols":65535,"rows":0}"#).unwrap(), TermSize { cols: 1000, rows: 1 });
        for bad in ["", "{}", r#"{"cols":-1,"rows":1}"#, r#"{"cols":1,"rows":1,"exec":"x"}"#] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}

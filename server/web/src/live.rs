//! Live figures: events of the engine become patches of a page, told by server-sent events.
//!
//! A patch changes words, widths and the marks of a status, found by keys; it never carries HTML, and
//! never touches a field. The words are made by the same functions that made the page.

use std::{collections::BTreeMap, thread};

use actix_web::{HttpResponse, http::header, web};
use futures_util::stream;
use model::{Bytes, TaskId, Vmid, task::TaskState};
use protocol::{
    Client,
    engine::{
        ApiError, ErrorKind,
        calls::Subscribe,
        events::{Event, Topic},
        view::{ContainerSummary, Usage},
    },
};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{
    engine::EngineClient,
    error::PageError,
    format,
    pages::{
        Frame,
        containers::{ContainerView, StatusView},
        tasks::{TaskView, step_text, task_key},
    },
    streams::Streams,
    text::Language,
    visitor::SignedIn,
};

/// One figure with what it is measured against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tile {
    /// What it is found by.
    pub(crate) key: String,
    /// What it is.
    pub(crate) label: String,
    /// The figure.
    pub(crate) value: String,
    /// What to see it beside.
    pub(crate) note: String,
    /// Percent of its limit.
    pub(crate) share: u64,
    /// Whether it has a limit.
    pub(crate) has_meter: bool,
}

/// The figures of a container's summary.
pub(crate) fn tiles(language: Language, c: &ContainerSummary, usage: Option<&Usage>) -> Vec<Tile> {
    let [memory, swap, cpu, _, _, pids] = limit_tiles(language, c, usage);
    let key = |name: &str| format!("ct-{}-{name}", c.vmid);
    let t = |key: &str| language.text(key);
    let plain = |name: &str, label: &str, value: Option<String>, note: Option<String>| Tile {
        key: key(name),
        label: t(label),
        value: value.unwrap_or_else(|| "–".to_owned()),
        note: note.unwrap_or_default(),
        share: 0,
        has_meter: false,
    };
    let size = |n: u64| format::bytes(language, Bytes(n));
    let network = plain(
        "network",
        "network",
        usage.map(|u| {
            format!("↓ {} ↑ {}", format::rate(language, u.rx_rate), format::rate(language, u.tx_rate))
        }),
        usage.map(|u| format!("↓ {} ↑ {}", size(u.stats.rx_bytes), size(u.stats.tx_bytes))),
    );
    let some = |p: model::stats::Pressure| format::percent(language, p.some_avg10.into());
    let pressure = plain(
        "pressure",
        "pressure",
        usage.map(|u| format!("{} {}", t("cpu"), some(u.stats.cpu_pressure))),
        usage.map(|u| {
            format!(
                "{} {} · {} {}",
                t("memory"),
                some(u.stats.memory_pressure),
                t("disk"),
                some(u.stats.io_pressure)
            )
        }),
    );
    vec![cpu, memory, network, pressure, pids, swap]
}

/// What is in use of memory, swap, cores, CPU limit, CPU units, processes, in this order.
pub(crate) fn limit_tiles(language: Language, c: &ContainerSummary, usage: Option<&Usage>) -> [Tile; 6] {
    let t = |key: &str| language.text(key);
    let size = |bytes: Bytes| format::bytes(language, bytes);
    let tile = |name: &str, value: Option<String>, note: String, share: Option<u64>| Tile {
        key: format!("ct-{}-use-{name}", c.vmid),
        label: t(name),
        value: value.unwrap_or_else(|| "–".to_owned()),
        note,
        share: share.unwrap_or(0),
        has_meter: share.is_some(),
    };
    let stats = usage.map(|u| u.stats);
    let of = |key: &str, value: String| format!("{} {value}", t(key));
    let memory_note = stats.map_or_else(String::new, |s| {
        format!("{} · {}", of("cache", size(s.memory_cache)), of("peak", size(s.memory_peak)))
    });
    let memory_share = stats.map_or(0, |s| format::share(s.memory_used.0, c.memory_max_bytes));
    let cpu = usage.map(|u| u64::from(u.cpu_usage));
    let cpu_share = cpu.map_or(0, |n| format::share(n, u64::from(c.cores) * 10_000));
    let cpu_text = cpu.map(|n| format::percent(language, n));
    let memory_value =
        stats.map(|s| format!("{} / {}", size(s.memory_used), size(Bytes(c.memory_max_bytes))));
    [
        tile("memory", memory_value, memory_note, Some(memory_share)),
        tile("swap", stats.map(|s| size(s.swap_used)), String::new(), None),
        tile("cpu", cpu_text.clone(), of("cores", c.cores.to_string()), Some(cpu_share)),
        tile("cpulimit", cpu_text, String::new(), None),
        tile(
            "cpuunits",
            stats.map(|s| format::percent(language, s.cpu_pressure.some_avg10.into())),
            t("pressure"),
            None,
        ),
        tile("pids", stats.map(|s| s.pids.to_string()), String::new(), None),
    ]
}

/// What a page's script does; empty parts are left out.
#[derive(Debug, Default, Serialize, PartialEq)]
struct Patch {
    /// Texts by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    text: BTreeMap<String, String>,
    /// Widths of bars by key, percent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    width: BTreeMap<String, u64>,
    /// Word for class names and icon of a status, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    status: BTreeMap<String, (&'static str, &'static str)>,
    /// The page of the task at work on a container, by its key; empty: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    task: BTreeMap<String, String>,
    /// Progress of a task, percent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    progress: BTreeMap<String, Option<u8>>,
    /// New lines of a task's log: number of the first, lines.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    log: BTreeMap<String, (u32, Vec<String>)>,
    /// A container or task that a list must show.
    #[serde(skip_serializing_if = "String::is_empty")]
    here: String,
    /// A container that is gone, or a task that has ended.
    #[serde(skip_serializing_if = "String::is_empty")]
    gone: String,
    /// The session has ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

/// Turns events into patches for one page.
struct Patcher {
    language: Language,
    running: std::collections::BTreeSet<TaskId>,
    summaries: BTreeMap<Vmid, ContainerSummary>,
}

impl Patcher {
    fn new(language: Language) -> Self {
        Self { language, running: Default::default(), summaries: Default::default() }
    }

    fn patch(&mut self, event: Event) -> Patch {
        match event {
            Event::Container(summary) => self.container(summary),
            Event::ContainerGone(vmid) => Patch { gone: format!("ct-{vmid}"), ..Patch::default() },
            Event::Usage { vmid, usage } => self.usage(vmid, &usage),
            Event::Task(task) => self.task(&task),
            Event::TaskLog { task, from, lines } => {
                Patch { log: [(task_key(&task), (from, lines))].into(), ..Patch::default() }
            }
            Event::Heartbeat => Patch::default(),
            Event::Ended => Patch { ended: true, ..Patch::default() },
        }
    }

    fn container(&mut self, summary: ContainerSummary) -> Patch {
        let view = ContainerView::of(self.language, &summary);
        let key = |name: &str| format!("{}-{name}", view.key);
        let StatusView { word, text, icon } = view.status.clone();
        let texts = [
            ("status", text),
            ("cpu", view.cpu.clone()),
            ("memory", view.memory.clone()),
            ("uptime", view.uptime.clone()),
            ("health", view.health.clone()),
        ];
        let mut patch = Patch {
            text: texts.into_iter().map(|(name, text)| (key(name), text)).collect(),
            width: [(key("memory"), view.memory_share)].into(),
            status: [(view.key.clone(), (word, icon))].into(),
            task: [(view.key.clone(), view.task.clone())].into(),
            here: view.key.clone(),
            ..Patch::default()
        };
        if !summary.status.is_up() {
            patch.add_tiles(&tiles(self.language, &summary, None));
            patch.add_tiles(&limit_tiles(self.language, &summary, None));
        }
        self.summaries.insert(summary.vmid, summary);
        patch
    }

    fn usage(&self, vmid: Vmid, usage: &Usage) -> Patch {
        let mut patch = Patch::default();
        if let Some(summary) = self.summaries.get(&vmid) {
            patch.add_tiles(&tiles(self.language, summary, Some(usage)));
            patch.add_tiles(&limit_tiles(self.language, summary, Some(usage)));
        }
        patch
    }

    fn task(&mut self, task: &model::task::Task) -> Patch {
        let view = TaskView::of(self.language, task);
        if task.state == TaskState::Running {
            self.running.insert(task.id.clone());
        } else {
            self.running.remove(&task.id);
        }
        let step = task.step.as_deref().map(|s| step_text(self.language, s)).unwrap_or_default();
        Patch {
            text: [
                ("tasks-running".to_owned(), self.running.len().to_string()),
                (format!("{}-status", view.key), view.state),
                (format!("{}-step", view.key), step),
            ]
            .into(),
            status: [(view.key.clone(), (view.class, view.icon))].into(),
            progress: [(view.key.clone(), task.progress)].into(),
            here: view.key.clone(),
            gone: if view.is_running { String::new() } else { view.key },
            ..Patch::default()
        }
    }
}

impl Patch {
    fn add_tiles(&mut self, tiles: &[Tile]) {
        for tile in tiles {
            self.text.insert(tile.key.clone(), tile.value.clone());
            self.text.insert(format!("{}-note", tile.key), tile.note.clone());
            if tile.has_meter {
                self.width.insert(tile.key.clone(), tile.share);
            }
        }
    }
}

/// What a page wants to hear of.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Query {
    topic: String,
}

fn topic(text: &str) -> Option<Topic> {
    match text.split_once(':') {
        None if text == "containers" => Some(Topic::Containers),
        None if text == "tasks" => Some(Topic::Tasks),
        Some(("container", vmid)) => vmid.parse().ok().map(Topic::Container),
        Some(("task", id)) => id.parse().ok().map(Topic::Task),
        _ => None,
    }
}

/// `GET /events?topic=...`
pub(crate) async fn events(
    who: SignedIn,
    engine: web::Data<EngineClient>,
    streams: web::Data<Streams>,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let at = |e| PageError::at(&who, "", e);
    let topic = topic(&query.topic).ok_or_else(|| PageError::no_page(who.visitor.clone(), Some(&who)))?;
    let busy =
        || at(ApiError::new(ErrorKind::Unavailable, who.visitor.language.text("error-too-many-pages")));
    let place = streams.take(&who.session.user).ok_or_else(busy)?;
    let topics = if topic == Topic::Tasks { vec![topic] } else { vec![topic, Topic::Tasks] };
    let (_, riding) =
        engine.call_riding(&who.visitor.caller, Subscribe { topics }, None).await.map_err(at)?;
    let (sender, receiver) = mpsc::channel(16);
    let language = Frame::of(&who, "").language();
    let spawned = thread::Builder::new().name("events".into()).spawn(move || {
        let _place = place;
        relay(&riding.connection, language, &sender);
    });
    spawned.map_err(|_| busy())?;
    let body = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|bytes| (Ok::<_, actix_web::Error>(bytes), receiver))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body))
}

/// Ends when the engine does, or when the browser takes no more.
fn relay(connection: &Client, language: Language, sender: &mpsc::Sender<web::Bytes>) {
    let mut patcher = Patcher::new(language);
    while let Ok(Some(event)) = connection.next_event() {
        let patch = patcher.patch(event);
        let Ok(json) = serde_json::to_string(&patch) else { return };
        if sender.blocking_send(format!("data: {json}\n\n").into()).is_err() || patch.ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(status: &str) -> ContainerSummary {
        serde_json::from_value(serde_json::json!({
            "vmid": 100, "name": "web", "status": status, "reason": null, "task": null,
            "memory_max_bytes": 1024, "memory_used_bytes": 512, "cores": 2, "cpu_usage": 5000,
            "addresses": [], "template": "debian-12", "uptime_s": 61, "onboot": false, "health": "healthy",
        }))
        .unwrap()
    }

    #[test]
    fn a_patch_says_what_the_page_says() {
        let mut patcher = Patcher::new(Language::De);
        let patch = patcher.patch(Event::Container(summary("running")));
        assert_eq!(patch.text["ct-100-status"], "Läuft");
        assert_eq!(patch.width["ct-100-memory"], 50);
        assert_eq!(patch.status["ct-100"], ("running", "play"));
        let usage = Usage { cpu_usage: 5000, ..Usage::default() };
        let patch = patcher.patch(Event::Usage { vmid: Vmid::FIRST, usage });
        assert_eq!(patch.width["ct-100-use-cpu"], 25);
        assert!(patch.text["ct-100-use-cpu"].starts_with("50,0"));
    }

    #[test]
    fn a_stopped_container_has_no_figures() {
        let patch = Patcher::new(Language::En).patch(Event::Container(summary("stopped")));
        assert_eq!(patch.text["ct-100-memory"], "–");
        assert_eq!(patch.text["ct-100-use-cpu"], "–");
    }

    #[test]
    fn topics_are_few_and_named() {
        assert_eq!(topic("container:100"), Some(Topic::Container(Vmid::FIRST)));
        for bad in ["", "container:x", "task:1", "all", "containers:1"] {
            assert_eq!(topic(bad), None, "{bad}");
        }
    }
}

//! What a subscriber hears.

use model::{TaskId, Vmid, task::Task};
use serde::{Deserialize, Serialize};

use super::view::{ContainerSummary, Usage};

/// What a subscriber wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Every container the caller may see: [`Event::Container`], every two seconds while running.
    Containers,
    /// One container: [`Event::Container`] and [`Event::Usage`] every second.
    Container(Vmid),
    /// Every task the caller may see.
    Tasks,
    /// One task with its log lines.
    Task(TaskId),
}

/// One event. After a subscription the present state comes first, as the same events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A container is new or changed.
    Container(ContainerSummary),
    /// A container is gone.
    ContainerGone(Vmid),
    /// What one container uses.
    Usage {
        /// Which.
        vmid: Vmid,
        /// The reading.
        usage: Usage,
    },
    /// A task is new or changed.
    Task(Task),
    /// New lines of a task's log.
    TaskLog {
        /// Which.
        task: TaskId,
        /// Number of the first of them, from 0.
        from: u32,
        /// The lines.
        lines: Vec<String>,
    },
    /// Nothing happened for a while, but the stream lives; every 10 seconds.
    Heartbeat,
    /// The session ended or lost the right; the stream closes.
    Ended,
}

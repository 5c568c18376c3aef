//! Tasks: every operation that may take longer than 300 ms.
//!
//! Ids have the form of Proxmox's UPID, `UPID:node:pid:pstart:starttime:type:id:user:`, so that its
//! tools can follow them: pid is the instance's running number of the task, pstart the engine's start.

use std::str::FromStr;

use crate::{NodeName, Refusal, access::UserId, text::text_type};

/// A task's id in UPID form; unique on the node, with the node's name in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(String);

/// What a task id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskIdParts {
    /// The node that runs it.
    pub node: NodeName,
    /// Running number.
    pub number: u32,
    /// Engine start, Unix seconds truncated to 32 bits.
    pub engine_start: u32,
    /// Task start, Unix seconds truncated to 32 bits.
    pub start: u32,
    /// What it does.
    pub kind: TaskKind,
    /// What it acts on, empty when nothing: a VMID or a template's name.
    pub object: String,
    /// Who asked.
    pub user: UserId,
}

impl TaskId {
    /// Puts an id together.
    #[must_use]
    pub fn new(parts: &TaskIdParts) -> Self {
        let TaskIdParts { node, number, engine_start, start, kind, object, user } = parts;
        Self(format!(
            "UPID:{node}:{number:08X}:{engine_start:08X}:{start:08X}:{}:{object}:{user}:",
            kind.upid_type()
        ))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes it apart.
    #[must_use]
    pub fn parts(&self) -> Option<TaskIdParts> {
        let fields: Vec<&str> = self.0.split(':').collect();
        let &["UPID", node, number, engine_start, start, kind, object, user, ""] = fields.as_slice() else {
            return None;
        };
        let hex = |s: &str| (s.len() == 8).then(|| u32::from_str_radix(s, 16).ok()).flatten();
        Some(TaskIdParts {
            node: node.parse().ok()?,
            number: hex(number)?,
            engine_start: hex(engine_start)?,
            start: hex(start)?,
            kind: TaskKind::ALL.into_iter().find(|k| k.upid_type() == kind)?,
            object: object.to_owned(),
            user: user.parse().ok()?,
        })
    }
}

impl FromStr for TaskId {
    type Err = Refusal;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let id = Self(s.to_owned());
        if s.len() <= 256 && id.parts().is_some_and(|p| Self::new(&p).0 == s) {
            Ok(id)
        } else {
            Err(Refusal::NotATaskId { given: s.chars().take(80).collect() })
        }
    }
}

text_type!(TaskId);

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Create a container.
    Create,
    /// Start it.
    Start,
    /// Ask its init to end, then insist.
    Shutdown,
    /// End it at once.
    Stop,
    /// Stop and start again.
    Reboot,
    /// Freeze it.
    Suspend,
    /// Thaw it.
    Resume,
    /// Delete it.
    Destroy,
    /// Build a template from its recipe.
    TemplateBuild,
    /// Make a template from a container.
    TemplateCreate,
    /// Import a template archive.
    TemplateImport,
    /// Remove an installed template.
    TemplateRemove,
    /// Download a template.
    TemplateDownload,
    /// Ask sources what they offer.
    SourceRefresh,
}

impl TaskKind {
    /// All, for tests and pages.
    pub const ALL: [Self; 14] = [
        Self::Create,
        Self::Start,
        Self::Shutdown,
        Self::Stop,
        Self::Reboot,
        Self::Suspend,
        Self::Resume,
        Self::Destroy,
        Self::TemplateBuild,
        Self::TemplateCreate,
        Self::TemplateImport,
        Self::TemplateRemove,
        Self::TemplateDownload,
        Self::SourceRefresh,
    ];

    /// Proxmox's word in the UPID.
    #[must_use]
    pub fn upid_type(self) -> &'static str {
        match self {
            Self::Create => "vzcreate",
            Self::Start => "vzstart",
            Self::Shutdown => "vzshutdown",
            Self::Stop => "vzstop",
            Self::Reboot => "vzreboot",
            Self::Suspend => "vzsuspend",
            Self::Resume => "vzresume",
            Self::Destroy => "vzdestroy",
            Self::TemplateBuild => "imgbuild",
            Self::TemplateCreate => "vztemplate",
            Self::TemplateImport => "imgcopy",
            Self::TemplateRemove => "imgdel",
            Self::TemplateDownload => "download",
            Self::SourceRefresh => "aplupdate",
        }
    }

    /// The word in JSON and message keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Destroy => "destroy",
            Self::TemplateBuild => "template-build",
            Self::TemplateCreate => "template-create",
            Self::TemplateImport => "template-import",
            Self::TemplateRemove => "template-remove",
            Self::TemplateDownload => "template-download",
            Self::SourceRefresh => "source-refresh",
        }
    }
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// At work.
    Running,
    /// Ended well.
    Done,
    /// Ended with an error; what it had begun is undone or resumed.
    Failed,
    /// Ended on request.
    Cancelled,
}

impl TaskState {
    /// The word in JSON and message keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A task as lists and pages show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What it does.
    pub kind: TaskKind,
    /// What it acts on: a VMID or template name; may be empty.
    pub object: String,
    /// A name people know for it: the container's or template's.
    pub title: String,
    /// Who asked.
    pub user: UserId,
    /// How it stands.
    pub state: TaskState,
    /// The step it is at or failed at, a message key such as `unpack`.
    pub step: Option<String>,
    /// Progress of the step in percent, when it is known.
    pub progress: Option<u8>,
    /// One line: what failed, why, what to do.
    pub error: Option<String>,
    /// Unix seconds.
    pub started: i64,
    /// Unix seconds.
    pub ended: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> TaskIdParts {
        TaskIdParts {
            node: "pve1".parse().unwrap(),
            number: 7,
            engine_start: 0x6A1_0000,
            start: 0x6A1_0001,
            kind: TaskKind::Start,
            object: "100".into(),
            user: "root@pam".parse().unwrap(),
        }
    }

    #[test]
    fn a_task_id_has_nine_fields_and_comes_back() {
        let id = TaskId::new(&parts());
        assert_eq!(id.as_str(), "UPID:pve1:00000007:06A10000:06A10001:vzstart:100:root@pam:");
        assert_eq!(id.as_str().parse::<TaskId>().unwrap().parts().unwrap(), parts());
    }

    #[test]
    fn crooked_task_ids_are_refused() {
        for bad in [
            "",
            "UPID:",
            "UPID:a:1:2:3:vzstart:100:root@pam:",
            "UPID:a:00000001:00000002:00000003:rm:100:root@pam:",
            "UPID:a:00000001:00000002:00000003:vzstart:100:root@pam:x",
            "UPID:a:00000001:00000002:+0000003:vzstart:100:root@pam:",
        ] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
    }
}

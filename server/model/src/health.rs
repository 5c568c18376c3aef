//! How an application is: its first boot step by step, and what its health check says.

use serde::{Deserialize, Serialize};

/// What the health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// It was started, and has not answered yet.
    Starting,
    /// It answers as it should.
    Healthy,
    /// It does not.
    Unhealthy,
}

impl HealthState {
    /// The word in JSON and message keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A change of health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// Unix seconds.
    pub at: i64,
    /// To what.
    pub state: HealthState,
    /// What was seen, for people.
    pub detail: String,
}

/// One script of the first boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstBootStep {
    /// Stage and name, such as `app.d/50-wordpress`.
    pub name: String,
    /// How far it is.
    pub state: StepState,
}

/// How far a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Others come first.
    Pending,
    /// At work.
    Running,
    /// Done.
    Done,
    /// It failed; the rest waits.
    Failed,
}

impl StepState {
    /// The word in status files, JSON and message keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A first boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstBoot {
    /// Its scripts in their order; none: the template has none.
    pub steps: Vec<FirstBootStep>,
    /// Last lines of the one that failed.
    pub failure: String,
}

/// Most steps and characters of a failure that are believed.
const BOUNDS: (usize, usize) = (128, 4000);

impl FirstBoot {
    /// From the status file (one line a script: name, blank, state) and the failure file that the container
    /// holds. Both are the container's word: what is crooked is passed over.
    #[must_use]
    pub fn parse(status: &str, failure: &str) -> Self {
        let step = |line: &str| {
            let (name, word) = line.trim().rsplit_once(' ')?;
            let states = [StepState::Pending, StepState::Running, StepState::Done, StepState::Failed];
            let state = states.into_iter().find(|s| s.as_str() == word)?;
            let is_plain = name.len() <= 100 && name.chars().all(|c| c.is_ascii_graphic());
            is_plain.then(|| FirstBootStep { name: name.to_owned(), state })
        };
        let shown = |c: char| c == '\n' || !c.is_control();
        Self {
            steps: status.lines().filter_map(step).take(BOUNDS.0).collect(),
            failure: failure.chars().filter(|c| shown(*c)).take(BOUNDS.1).collect(),
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|s| s.state == StepState::Done)
    }

    /// The script that failed.
    #[must_use]
    pub fn failed(&self) -> Option<&FirstBootStep> {
        self.steps.iter().find(|s| s.state == StepState::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file_is_read_line_by_line_and_not_believed_blindly() {
        let boot = FirstBoot::parse(
            "early.d/20-a done\napp.d/50-b failed\ncrooked\nx \u{1b}[2J done\n",
            "no\u{7} disk\nleft\n",
        );
        assert_eq!(boot.steps.len(), 2);
        assert_eq!(boot.failed().unwrap().name, "app.d/50-b");
        assert_eq!(boot.failure, "no disk\nleft\n");
        assert!(!boot.is_done());
        assert!(FirstBoot::parse("", "").is_done());
        assert_eq!(FirstBoot::parse(&"a done\n".repeat(1000), "").steps.len(), 128);
    }
}

//! Restarts containers whose health check keeps failing, where an administrator wants that.
//!
//! Each restart that did not help doubles the time until the next one; who has been well for long begins anew.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use model::{
    Vmid,
    access::UserId,
    health::{HealthChange, HealthState},
};

use crate::{Engine, clock, lock, tasks::power};

/// How long its init has to end by itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long it must have been ill: a moment of high load is no reason.
const ILL_FOR: Duration = Duration::from_secs(30);
/// Between the first two restarts.
const FIRST_PAUSE: Duration = Duration::from_secs(120);
/// Longest time between two.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Who was well for so long since the last restart was helped by it.
const WELL_FOR: Duration = Duration::from_secs(600);

/// The restarts of a container that this engine has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restarts {
    times: u32,
    last: Instant,
}

/// Begins a restart when it is time for one.
pub(crate) fn heal(engine: &Arc<Engine>, vmid: Vmid, health: &HealthChange) {
    let since = clock::now().saturating_sub(health.at);
    let since = Duration::from_secs(u64::try_from(since).unwrap_or(0));
    let mut all = lock(&engine.restarts);
    if health.state == HealthState::Healthy {
        if since >= WELL_FOR {
            all.remove(&vmid);
        }
        return;
    }
    let last = all.get(&vmid).map(|r| (r.times, r.last.elapsed()));
    if health.state != HealthState::Unhealthy || !is_time(since, last) {
        return;
    }
    let Ok(Some(row)) = engine.store().find_container(vmid) else { return };
    // Another task is at work on it, or the engine ends: the next look tries again.
    if let Ok(task) = power::reboot(engine, &row, PATIENCE, &UserId::root()) {
        tracing::warn!(%vmid, %task, detail = %health.detail, "restarted: its health check kept failing");
        all.insert(
            vmid,
            Restarts { times: last.map_or(0, |(times, _)| times).saturating_add(1), last: Instant::now() },
        );
    }
}

/// Whether one that is ill for so long is restarted now; `last`: how often that was done, and how long ago.
fn is_time(ill_for: Duration, last: Option<(u32, Duration)>) -> bool {
    let is_rested = last.is_none_or(|(times, ago)| {
        let pause = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(times.saturating_sub(1)));
        ago >= pause.min(PAUSE_MAX)
    });
    ill_for >= ILL_FOR && is_rested
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_that_do_not_help_come_more_rarely() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        assert!(!is_time(Duration::from_secs(29), None) && is_time(ILL_FOR, None));
        for (times, pause) in [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (1000, 60)] {
            assert!(is_time(minutes(9), Some((times, minutes(pause)))), "{times}");
            assert!(!is_time(minutes(9), Some((times, minutes(pause) - Duration::from_secs(1)))), "{times}");
        }
    }
}

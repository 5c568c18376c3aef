//! The throttle against guessing: after some failures each next try has to wait, ever longer.
//!
//! Kept by key (an account from an address, an address), in memory, bounded; it reads no clock. What the
//! keys are decides the caller: who guesses at an account must not be able to shut its owner out.

use std::collections::HashMap;

/// Failures that cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;
/// Longest wait, and how long failures are remembered after the last one.
pub const WAIT_MAX_S: i64 = 300;
/// Most keys that are remembered; hostile names must not fill memory.
const KEYS_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: i64,
}

impl Failures {
    /// 2 s after the sixth failure, then twice as long each time.
    fn wait_until(self) -> i64 {
        match self.count.saturating_sub(FREE_FAILURES) {
            0 => self.last,
            more => self.last.saturating_add((1 << more.min(16)).min(WAIT_MAX_S)),
        }
    }

    fn is_forgotten(self, now: i64) -> bool {
        now >= self.last.saturating_add(WAIT_MAX_S)
    }
}

/// Failures by key.
#[derive(Debug, Default)]
pub struct Throttle {
    keys: HashMap<String, Failures>,
}

impl Throttle {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Seconds that a try under this key has to wait; 0: it may go ahead.
    #[must_use]
    pub fn wait_s(&self, key: &str, now: i64) -> i64 {
        self.keys.get(key).map_or(0, |f| (f.wait_until() - now).clamp(0, WAIT_MAX_S))
    }

    /// A try failed. Note it before the answer is known and take it back with [`Throttle::clear`], so
    /// that many tries at the same time do not count as one.
    pub fn note_failure(&mut self, key: &str, now: i64) {
        if self.keys.len() >= KEYS_MAX && !self.keys.contains_key(key) {
            self.keys.retain(|_, f| !f.is_forgotten(now));
            if self.keys.len() >= KEYS_MAX {
                // All are fresh: forget the one with the least behind it, never the hardest pressed.
                let least = self.keys.iter().min_by_key(|(_, f)| (f.count, f.last)).map(|(k, _)| k.clone());
                least.map(|k| self.keys.remove(&k));
            }
        }
        let entry = self.keys.entry(key.to_owned()).or_insert(Failures { count: 0, last: now });
        if entry.is_forgotten(now) {
            entry.count = 0;
        }
        *entry = Failures { count: entry.count.saturating_add(1), last: now };
    }

    /// The failure that was noted last was none after all.
    pub fn take_back(&mut self, key: &str) {
        if let Some(failures) = self.keys.get_mut(key) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    /// A try succeeded: its failures are forgotten.
    pub fn clear(&mut self, key: &str) {
        self.keys.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failures: u32) -> Throttle {
        let mut throttle = Throttle::new();
        for _ in 0..failures {
            throttle.note_failure("anna", 1000);
        }
        throttle
    }

    #[test]
    fn some_failures_are_free_then_the_wait_doubles_up_to_its_bound() {
        let waits: Vec<i64> = [0, 5, 6, 7, 8, 12, 13, 14, 1000].map(|n| after(n).wait_s("anna", 1000)).into();
        assert_eq!(waits, [0, 0, 2, 4, 8, 128, 256, 300, 300]);
        assert_eq!(after(7).wait_s("anna", 1003), 1);
        assert_eq!(after(7).wait_s("anna", 1004), 0);
        assert_eq!(after(1000).wait_s("otto", 1000), 0, "keys are apart");
    }

    #[test]
    fn success_and_time_clear_it() {
        let mut throttle = after(9);
        throttle.clear("anna");
        assert_eq!(throttle.wait_s("anna", 1000), 0);
        let mut throttle = after(9);
        throttle.note_failure("anna", 1000 + WAIT_MAX_S);
        assert_eq!(throttle.wait_s("anna", 1000 + WAIT_MAX_S), 0, "a failure long after counts as the first");
    }

    #[test]
    fn a_clock_set_back_does_not_lock_anyone_out() {
        assert_eq!(after(1000).wait_s("anna", 0), WAIT_MAX_S);
    }

    #[test]
    fn a_flood_of_names_neither_grows_it_nor_frees_who_is_pressed() {
        let mut throttle = after(9);
        for n in 0..KEYS_MAX + 10 {
            throttle.note_failure(&format!("name{n}"), 1000);
        }
        assert!(throttle.keys.len() <= KEYS_MAX);
        assert_eq!(throttle.wait_s("anna", 1000), 16);
    }
}

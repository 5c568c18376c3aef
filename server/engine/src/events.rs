//! The event hub: who listens to what, and one bounded queue for each of them.
//!
//! It never blocks the teller: a listener that does not keep up loses the oldest readings of a
//! container (the newest value counts) and is dropped when even that does not help.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    time::Duration,
};

use model::Vmid;
use protocol::engine::events::{Event, Topic};

use crate::lock;

/// Most events that wait for one listener.
const QUEUE_MAX: usize = 4096;

/// All listeners.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    listeners: Mutex<Vec<Weak<Listener>>>,
}

/// One subscriber's queue.
#[derive(Debug)]
pub(crate) struct Listener {
    topics: Vec<Topic>,
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    is_closed: bool,
}

impl Hub {
    /// A new listener; it is forgotten when the caller drops it.
    pub(crate) fn subscribe(&self, topics: Vec<Topic>) -> Arc<Listener> {
        let listener = Arc::new(Listener { topics, queue: Mutex::default(), filled: Condvar::new() });
        lock(&self.listeners).push(Arc::downgrade(&listener));
        listener
    }

    /// Tells everybody whose topics match.
    pub(crate) fn tell(&self, event: &Event) {
        lock(&self.listeners).retain(|weak| {
            let Some(listener) = weak.upgrade() else { return false };
            if listener.wants(event) {
                listener.push(event.clone());
            }
            true
        });
    }

    /// Whether somebody looks at containers: then readings are taken.
    pub(crate) fn watches_containers(&self) -> bool {
        self.any(|t| matches!(t, Topic::Containers | Topic::Container(_)))
    }

    /// Whether somebody looks at this container closely.
    pub(crate) fn watches(&self, vmid: Vmid) -> bool {
        self.any(|t| *t == Topic::Container(vmid))
    }

    fn any(&self, wanted: impl Fn(&Topic) -> bool) -> bool {
        lock(&self.listeners).iter().filter_map(Weak::upgrade).any(|l| l.topics.iter().any(&wanted))
    }
}

impl Listener {
    fn wants(&self, event: &Event) -> bool {
        self.topics.iter().any(|topic| match (topic, event) {
            (Topic::Containers, Event::Container(_) | Event::ContainerGone(_)) => true,
            (Topic::Container(id), Event::Container(summary)) => summary.vmid == *id,
            (Topic::Container(id), Event::ContainerGone(vmid) | Event::Usage { vmid, .. }) => vmid == id,
            (Topic::Tasks, Event::Task(_)) => true,
            (Topic::Task(id), Event::Task(task)) => task.id == *id,
            (Topic::Task(id), Event::TaskLog { task, .. }) => task == id,
            (_, Event::Ended) => true,
            _ => false,
        })
    }

    /// Puts an event into this queue only.
    pub(crate) fn push(&self, event: Event) {
        let mut queue = lock(&self.queue);
        if queue.events.len() >= QUEUE_MAX {
            queue.events.retain(|e| !matches!(e, Event::Usage { .. } | Event::Container(_)));
            queue.is_closed |= queue.events.len() >= QUEUE_MAX;
        }
        if let Some(twin) = queue.events.iter_mut().find(|e| is_newer_value_of(e, &event)) {
            *twin = event;
        } else {
            queue.events.push_back(event);
        }
        self.filled.notify_one();
    }

    /// The next event, or a heartbeat when nothing happens for `patience`; `None` when it was dropped.
    pub(crate) fn next(&self, patience: Duration) -> Option<Event> {
        let queue = lock(&self.queue);
        let (mut queue, _) = self
            .filled
            .wait_timeout_while(queue, patience, |q| q.events.is_empty() && !q.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        if queue.is_closed {
            return None;
        }
        Some(queue.events.pop_front().unwrap_or(Event::Heartbeat))
    }

    /// The tasks and containers named in the topics, for the rights check.
    pub(crate) fn topics(&self) -> &[Topic] {
        &self.topics
    }
}

fn is_newer_value_of(old: &Event, new: &Event) -> bool {
    match (old, new) {
        (Event::Usage { vmid: a, .. }, Event::Usage { vmid: b, .. }) => a == b,
        (Event::Container(a), Event::Container(b)) => a.vmid == b.vmid,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    fn usage(n: u32) -> Event {
        let usage = protocol::engine::view::Usage { cpu_usage: n, ..Default::default() };
        Event::Usage { vmid: Vmid::FIRST, usage }
    }

    #[test]
    fn a_slow_listener_gets_the_newest_reading_only() {
        let hub = Hub::default();
        let listener = hub.subscribe(vec![Topic::Container(Vmid::FIRST)]);
        for n in 0..10 {
            hub.tell(&usage(n));
        }
        assert_eq!(listener.next(NOW), Some(usage(9)));
        assert_eq!(listener.next(NOW), Some(Event::Heartbeat));
    }

    #[test]
    fn listeners_hear_their_topics_only_and_vanish_when_dropped() {
        let hub = Hub::default();
        let tasks = hub.subscribe(vec![Topic::Tasks]);
        hub.tell(&usage(1));
        assert_eq!(tasks.next(NOW), Some(Event::Heartbeat));
        assert!(!hub.watches_containers());
        drop(tasks);
        hub.tell(&usage(1));
        assert!(lock(&hub.listeners).is_empty());
    }

    #[test]
    fn a_listener_that_never_reads_is_dropped() {
        let hub = Hub::default();
        let listener = hub.subscribe(vec![Topic::Containers]);
        for n in 100..5000u32 {
            hub.tell(&Event::ContainerGone(n.try_into().unwrap()));
        }
        assert_eq!(listener.next(NOW), None);
    }
}

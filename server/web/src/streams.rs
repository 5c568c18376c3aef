//! How many event streams are open: in all, because each has a thread here and one in the engine, and by one
//! user, so that nobody's forgotten pages take the places of the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::access::UserId;

/// Most streams at a time.
const ALL_MAX: usize = 128;
/// Most streams of one user at a time.
const USER_MAX: usize = 32;

/// Counts the streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<UserId, usize>>>);

/// One stream's place, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    streams: Streams,
    user: UserId,
}

impl Streams {
    /// Takes a place; `None` when there is none.
    pub(crate) fn take(&self, user: &UserId) -> Option<Place> {
        let mut counts = self.lock();
        let own = counts.get(user).copied().unwrap_or(0);
        if own >= USER_MAX || counts.values().sum::<usize>() >= ALL_MAX {
            return None;
        }
        counts.insert(user.clone(), own + 1);
        Some(Place { streams: self.clone(), user: user.clone() })
    }

    /// A panic elsewhere left whole counts: each change is one call.
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.streams.lock();
        match counts.get_mut(&self.user) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(counts.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_all_places() {
        let streams = Streams::default();
        let user = |name: &str| UserId::parse_login(name).unwrap();
        let take = |name: &str| streams.take(&user(name));
        let anna: Vec<_> = std::iter::repeat_with(|| take("anna")).map_while(|place| place).collect();
        assert_eq!(anna.len(), USER_MAX);
        let otto = take("otto");
        assert!(otto.is_some());
        drop(anna);
        assert!(take("anna").is_some());
        drop(otto);
        assert_eq!(streams.lock().len(), 0, "nothing is kept of who has none");
    }

    #[test]
    fn all_places_are_bounded() {
        let streams = Streams::default();
        let take = |n: usize| streams.take(&UserId::parse_login(&format!("user{n}")).unwrap());
        let places: Vec<_> = (0..).map_while(take).collect();
        assert_eq!(places.len(), ALL_MAX);
    }
}

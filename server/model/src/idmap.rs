//! The two sides of a user namespace's id map, kept apart by type; user_namespaces(7).
//!
//! Every container owns one block of 65,536 host ids. Slot 0 is nobody's container: the web process
//! and the workers use its ids.

use thiserror::Error;

use crate::Refusal;

/// Ids in one block, and so inside one container.
pub const IDS_PER_CONTAINER: u32 = 65_536;

/// A user or group id on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct HostUid(pub u32);

/// A user id inside a container, below 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ContainerUid(pub u16);

/// A group id inside a container, below 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ContainerGid(pub u16);

/// A block of host ids: container id `n` is host id `base + n`, for users and groups alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct IdMap {
    base: HostUid,
}

/// The configured range of ids cannot serve.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdRangeError {
    /// Too small, unaligned or past the last usable id.
    #[error(
        "ids {base}+{count} cannot serve: both must be multiples of 65536, with room for at least two blocks, base from 65536 up and an end below 4294901760"
    )]
    Unusable {
        /// `id_base` of the configuration.
        base: u32,
        /// `id_count` of the configuration.
        count: u32,
    },
}

impl IdMap {
    /// The block that begins at `base`; `None` unless it is a multiple of 65,536 above zero that fits.
    #[must_use]
    pub fn at(base: u32) -> Option<Self> {
        let fits = base >= IDS_PER_CONTAINER
            && base.is_multiple_of(IDS_PER_CONTAINER)
            && base < u32::MAX - IDS_PER_CONTAINER;
        fits.then_some(Self { base: HostUid(base) })
    }

    /// First host id of the block: the container's root.
    #[must_use]
    pub fn base(self) -> HostUid {
        self.base
    }

    /// The host's side of a container's user id.
    #[must_use]
    pub fn host_uid(self, id: ContainerUid) -> HostUid {
        HostUid(self.base.0 + u32::from(id.0))
    }

    /// The line for `uid_map` and `gid_map`.
    #[must_use]
    pub fn map_line(self) -> String {
        format!("0 {} {IDS_PER_CONTAINER}\n", self.base.0)
    }
}

/// The instance's whole range, cut into blocks called slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdRange {
    base: u32,
    count: u32,
}

impl IdRange {
    /// Checks the configured numbers.
    ///
    /// # Errors
    /// [`IdRangeError::Unusable`] when the range is unaligned, too small or too high.
    pub fn new(base: u32, count: u32) -> Result<Self, IdRangeError> {
        let aligned = base.is_multiple_of(IDS_PER_CONTAINER) && count.is_multiple_of(IDS_PER_CONTAINER);
        let fits = base >= IDS_PER_CONTAINER
            && count >= 2 * IDS_PER_CONTAINER
            && u64::from(base) + u64::from(count) <= u64::from(u32::MAX - IDS_PER_CONTAINER) + 1;
        if aligned && fits { Ok(Self { base, count }) } else { Err(IdRangeError::Unusable { base, count }) }
    }

    /// How many containers it serves (slot 0 is not one).
    #[must_use]
    pub fn container_slots(self) -> u32 {
        self.count / IDS_PER_CONTAINER - 1
    }

    /// The block of a slot; 0 is the instance's own.
    #[must_use]
    pub fn slot(self, slot: u32) -> Option<IdMap> {
        (slot <= self.container_slots())
            .then(|| IdMap { base: HostUid(self.base + slot * IDS_PER_CONTAINER) })
    }

    /// Slot 0: web, fetch, unpack and build run with its ids.
    #[must_use]
    pub fn own_slot(self) -> IdMap {
        IdMap { base: HostUid(self.base) }
    }

    /// The user the web process runs as: high in slot 0, where no file of a template belongs to it.
    #[must_use]
    pub fn web_uid(self) -> HostUid {
        HostUid(self.base + 60_000)
    }

    /// The lowest slot from 1 up that is not in `taken`.
    ///
    /// # Errors
    /// [`Refusal::NoIdBlockFree`] when there is none.
    pub fn free_slot(self, taken: &std::collections::BTreeSet<u32>) -> Result<u32, Refusal> {
        (1..=self.container_slots())
            .find(|slot| !taken.contains(slot))
            .ok_or(Refusal::NoIdBlockFree { count: self.container_slots() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_range_serves_4093_containers_and_its_blocks_never_overlap() {
        let range = IdRange::new(1_879_048_192, 268_304_384).unwrap();
        assert_eq!(range.container_slots(), 4093);
        let mut last = range.own_slot().base().0;
        for slot in 1..=range.container_slots() {
            let base = range.slot(slot).unwrap().base().0;
            assert_eq!(base - last, IDS_PER_CONTAINER);
            last = base;
        }
        assert!(range.slot(4094).is_none());
    }

    #[test]
    fn a_range_that_could_reach_the_overflow_ids_is_refused() {
        for (base, count) in
            [(0, 131_072), (65_536, 65_536), (1, 131_072), (65_536, 131_073), (4_294_836_224, 131_072)]
        {
            assert!(IdRange::new(base, count).is_err(), "{base} {count}");
        }
    }

    #[test]
    fn the_lowest_free_slot_is_taken_first_and_never_slot_zero() {
        let range = IdRange::new(65_536, 4 * 65_536).unwrap();
        assert_eq!(range.free_slot(&[1, 3].into()).unwrap(), 2);
        assert_eq!(range.free_slot(&[1, 2, 3].into()), Err(Refusal::NoIdBlockFree { count: 3 }));
    }
}

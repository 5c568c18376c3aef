//! Containers: what was decided (shared) and what is wanted and was seen on this node.

use std::{collections::BTreeSet, net::Ipv4Addr};

use model::{ContainerConfig, PowerState, Vmid};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    Store, StoreError,
    applications::{SealedSecrets, insert_secrets},
    taken,
};

/// One container's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRow {
    /// What was decided.
    pub config: ContainerConfig,
    /// What the operator wants.
    pub power: PowerState,
    /// Why the last operation failed.
    pub last_error: Option<String>,
    /// A UUID that stays with it.
    pub uuid: String,
}

const SELECT: &str = "SELECT c.config, c.version, s.power_state, s.last_error, s.uuid \
    FROM containers c JOIN container_state s USING (vmid)";

fn read(row: &Row<'_>) -> rusqlite::Result<(String, u64, String, Option<String>, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn parse(
    (config, version, power, last_error, uuid): (String, u64, String, Option<String>, String),
) -> Result<ContainerRow, StoreError> {
    let config: ContainerConfig = serde_json::from_str(&config)?;
    let power = if power == "on" { PowerState::On } else { PowerState::Off };
    Ok(ContainerRow { config: ContainerConfig { version, ..config }, power, last_error, uuid })
}

/// Writes down whose ports of the node are; one port leads to one container.
fn put_forwards(c: &Connection, config: &ContainerConfig) -> Result<(), StoreError> {
    c.execute("DELETE FROM forwards WHERE vmid = ?1", [config.vmid.get()])?;
    for forward in &config.forwards {
        let row = params![forward.host, forward.protocol.as_str(), config.vmid.get()];
        let inserted = c.execute("INSERT OR IGNORE INTO forwards VALUES (?1, ?2, ?3)", row)?;
        if inserted == 0 {
            let given = format!("{}/{}", forward.host, forward.protocol.as_str());
            return Err(StoreError::Taken { what: model::refusal::Thing::Port, given });
        }
    }
    Ok(())
}

/// What of an interface must be unique among all. An address in a LAN is not: there may be several LANs.
fn addresses(config: &ContainerConfig) -> (Option<String>, Option<String>) {
    let nic = config.nic.as_ref();
    (nic.map(|n| n.mac.to_string()), nic.and_then(|n| n.own_address()).map(|a| a.to_string()))
}

fn power_word(power: PowerState) -> &'static str {
    match power {
        PowerState::On => "on",
        PowerState::Off => "off",
    }
}

impl Store {
    /// Adds a container and the journal entry of its creation together.
    ///
    /// # Errors
    /// [`StoreError::Taken`] names what is not unique; [`StoreError::TemplateGone`] when the template was
    /// removed or replaced since it was read, and with it perhaps the layers.
    pub fn insert_container(
        &self,
        config: &ContainerConfig,
        secrets: &SealedSecrets,
        uuid: &str,
        task: &str,
    ) -> Result<i64, StoreError> {
        let json = serde_json::to_string(config)?;
        let (mac, address) = addresses(config);
        self.transaction(|c| {
            // Removal reads which layers are in use after the template's row is gone: one of both sees
            // the other.
            if crate::templates::find(c, &config.template)?.is_none_or(|t| t.image != config.image) {
                return Err(StoreError::TemplateGone(config.template.clone()));
            }
            c.execute(
                "INSERT INTO containers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    config.vmid.get(),
                    config.name.as_str(),
                    config.id_slot,
                    mac,
                    address,
                    config.version,
                    json
                ],
            )
            .map_err(|e| taken(e, config))?;
            c.execute(
                "INSERT INTO container_state VALUES (?1, 'off', NULL, ?2)",
                params![config.vmid.get(), uuid],
            )?;
            insert_secrets(c, config.vmid, secrets)?;
            put_forwards(c, config)?;
            crate::journal::insert(c, "create", &config.vmid.to_string(), task, "")
        })
    }

    /// All containers by number.
    ///
    /// # Errors
    /// When the database refuses or a row is not understood.
    pub fn list_containers(&self) -> Result<Vec<ContainerRow>, StoreError> {
        let connection = self.lock();
        let mut query = connection.prepare_cached(&format!("{SELECT} ORDER BY vmid"))?;
        let rows = query.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(parse).collect()
    }

    /// One container by number.
    ///
    /// # Errors
    /// As [`Store::list_containers`].
    pub fn find_container(&self, vmid: Vmid) -> Result<Option<ContainerRow>, StoreError> {
        let row =
            self.lock().query_row(&format!("{SELECT} WHERE vmid = ?1"), [vmid.get()], read).optional()?;
        row.map(parse).transpose()
    }

    /// The number behind a name.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_vmid(&self, name: &str) -> Result<Option<Vmid>, StoreError> {
        let found: Option<u32> = self
            .lock()
            .query_row("SELECT vmid FROM containers WHERE name = ?1", [name], |r| r.get(0))
            .optional()?;
        Ok(found.and_then(|n| n.try_into().ok()))
    }

    /// Replaces a configuration that still has the version `config.version`; the new one is one higher.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when somebody was faster, [`StoreError::Taken`], [`StoreError::Absent`].
    pub fn update_container(&self, config: &ContainerConfig) -> Result<ContainerConfig, StoreError> {
        let new = ContainerConfig { version: config.version + 1, ..config.clone() };
        let json = serde_json::to_string(&new)?;
        let (mac, address) = addresses(&new);
        // The block of ids never changes: a running container's id map stands on it.
        let sql = "UPDATE containers SET name = ?3, mac = ?4, address = ?5, version = ?6, config = ?7 \
            WHERE vmid = ?1 AND version = ?2 AND id_slot = ?8";
        let values = params![
            config.vmid.get(),
            config.version,
            new.name.as_str(),
            mac,
            address,
            new.version,
            json,
            new.id_slot
        ];
        let changed = self.transaction(|c| {
            let changed = c.execute(sql, values).map_err(|e| taken(e, config))?;
            if changed == 1 {
                put_forwards(c, &new)?;
            }
            Ok(changed)
        })?;
        match changed {
            1 => Ok(new),
            _ if self.find_container(config.vmid)?.is_some() => Err(StoreError::Stale),
            _ => Err(StoreError::Absent),
        }
    }

    /// What the operator wants of it now.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_power(&self, vmid: Vmid, power: PowerState) -> Result<(), StoreError> {
        let sql = "UPDATE container_state SET power_state = ?2 WHERE vmid = ?1";
        self.lock().execute(sql, params![vmid.get(), power_word(power)])?;
        Ok(())
    }

    /// Why its last operation failed, or that none did.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn set_last_error(&self, vmid: Vmid, error: Option<&str>) -> Result<(), StoreError> {
        let sql = "UPDATE container_state SET last_error = ?2 WHERE vmid = ?1";
        self.lock().execute(sql, params![vmid.get(), error])?;
        Ok(())
    }

    /// Removes a container: its number, name, ids and address are free from here on.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn delete_container(&self, vmid: Vmid) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM containers WHERE vmid = ?1", [vmid.get()])?;
        Ok(())
    }

    /// Id slots in use.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn taken_slots(&self) -> Result<BTreeSet<u32>, StoreError> {
        let connection = self.lock();
        let mut query = connection.prepare("SELECT id_slot FROM containers")?;
        Ok(query.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Addresses in use.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn taken_addresses(&self) -> Result<BTreeSet<Ipv4Addr>, StoreError> {
        let connection = self.lock();
        let mut query = connection.prepare("SELECT address FROM containers WHERE address IS NOT NULL")?;
        let texts = query.query_map([], |r| r.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(texts.iter().filter_map(|t| t.parse().ok()).collect())
    }

    /// The lowest number that no container has.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn free_vmid(&self) -> Result<Option<Vmid>, StoreError> {
        let connection = self.lock();
        let mut next = Some(Vmid::FIRST);
        for vmid in numbers(&connection)? {
            if next.is_some_and(|n| n.get() == vmid) {
                next = next.and_then(Vmid::next);
            }
        }
        Ok(next)
    }
}

fn numbers(connection: &Connection) -> Result<Vec<u32>, StoreError> {
    let mut query = connection.prepare("SELECT vmid FROM containers ORDER BY vmid")?;
    Ok(query.query_map([], |r| r.get(0))?.collect::<Result<_, _>>()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use model::{
        Limits,
        nic::{Nic, Place},
    };

    pub(crate) fn config(vmid: u32, name: &str) -> ContainerConfig {
        ContainerConfig {
            vmid: vmid.try_into().unwrap(),
            name: name.parse().unwrap(),
            hostname: name.parse().unwrap(),
            template: "debian-12".parse().unwrap(),
            template_version: "1".into(),
            image: crate::templates::tests::template("debian-12", 1).image,
            id_slot: vmid,
            limits: Limits::default(),
            nic: Some(Nic {
                mac: model::MacAddress([2, 0, 0, 0, 0, u8::try_from(vmid).unwrap()]),
                place: Place::Address(Ipv4Addr::new(10, 0, 0, u8::try_from(vmid).unwrap())),
                is_due: false,
            }),
            is_onboot: false,
            restarts_unhealthy: false,
            application: None,
            forwards: vec![],
            version: 1,
        }
    }

    pub(crate) fn store() -> Store {
        let store = Store::in_memory().unwrap();
        store.put_template(&crate::templates::tests::template("debian-12", 1)).unwrap();
        store
    }

    #[test]
    fn a_container_needs_its_template_to_the_last() {
        let store = store();
        let gone = |c: &ContainerConfig| {
            matches!(store.insert_container(c, &[], "u", "t"), Err(StoreError::TemplateGone(_)))
        };
        assert!(gone(&ContainerConfig { template: "other".parse().unwrap(), ..config(100, "web") }));
        store.put_template(&crate::templates::tests::template("debian-12", 2)).unwrap();
        assert!(gone(&config(100, "web")), "a newer image is another one");
        store.delete_template(&"debian-12".parse().unwrap()).unwrap();
        assert!(gone(&config(100, "web")));
        assert!(store.list_containers().unwrap().is_empty() && store.list_journal().unwrap().is_empty());
    }

    #[test]
    fn a_changed_name_and_interface_are_checked_and_the_old_ones_free() {
        let store = store();
        for (n, name) in [(100, "web"), (101, "db")] {
            store.insert_container(&config(n, name), &[], "u", "t").unwrap();
        }
        let web = config(100, "web");
        let taken = |c: &ContainerConfig| matches!(store.update_container(c), Err(StoreError::Taken { .. }));
        assert!(taken(&ContainerConfig { name: "db".parse().unwrap(), ..web.clone() }));
        assert!(taken(&ContainerConfig { nic: config(101, "db").nic, ..web.clone() }));
        let in_lan =
            || Place::Lan("bridge=br0,ip=10.0.0.101/24".parse::<model::Net0>().unwrap().lan.unwrap());
        let nic = web.nic.clone().map(|nic| Nic { place: in_lan(), ..nic });
        let web = store.update_container(&ContainerConfig { nic, ..web }).unwrap();
        assert_eq!(store.taken_addresses().unwrap(), [Ipv4Addr::new(10, 0, 0, 101)].into());
        store.update_container(&ContainerConfig { nic: None, ..web }).unwrap();
        assert_eq!(store.taken_addresses().unwrap(), [Ipv4Addr::new(10, 0, 0, 101)].into());
        assert_eq!(store.find_vmid("web").unwrap(), Some(Vmid::FIRST));
    }

    #[test]
    fn power_and_error_stay_apart_from_what_was_decided() {
        let store = store();
        store.insert_container(&config(100, "web"), &[], "u", "t").unwrap();
        store.set_power(Vmid::FIRST, PowerState::On).unwrap();
        store.set_last_error(Vmid::FIRST, Some("no init")).unwrap();
        let row = store.find_container(Vmid::FIRST).unwrap().unwrap();
        assert_eq!((row.power, row.last_error.as_deref()), (PowerState::On, Some("no init")));
        assert_eq!((row.config, row.uuid.as_str()), (config(100, "web"), "u"));
    }

    #[test]
    fn whatever_must_be_unique_is_named_when_it_is_taken() {
        let store = store();
        store.insert_container(&config(100, "web"), &[], "u", "t").unwrap();
        let refused = |c: ContainerConfig| match store.insert_container(&c, &[], "u", "t") {
            Err(StoreError::Taken { what, given }) => format!("{what} {given}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(config(100, "db")), "container number 100");
        assert_eq!(refused(config(101, "web")), "the name web");
        assert_eq!(refused(ContainerConfig { id_slot: 100, ..config(101, "db") }), "id block 100");
        let nic = |mac: u8| {
            Some(Nic {
                mac: model::MacAddress([2, 0, 0, 0, 0, mac]),
                place: Place::Address(Ipv4Addr::new(10, 0, 0, mac - 1)),
                is_due: false,
            })
        };
        assert_eq!(
            refused(ContainerConfig { nic: nic(100), ..config(101, "db") }),
            "MAC address 02:00:00:00:00:64"
        );
        assert_eq!(refused(ContainerConfig { nic: nic(101), ..config(101, "db") }), "address 10.0.0.100");
        // A refused container leaves no journal entry either.
        assert_eq!(store.list_journal().unwrap().len(), 1);
        assert_eq!(store.free_vmid().unwrap().unwrap().get(), 101);
    }

    #[test]
    fn a_stale_change_is_refused() {
        let store = store();
        let first = config(100, "web");
        store.insert_container(&first, &[], "u", "t").unwrap();
        assert_eq!(store.update_container(&first).unwrap().version, 2);
        assert!(matches!(store.update_container(&first), Err(StoreError::Stale)));
        store.delete_container(first.vmid).unwrap();
        assert!(matches!(store.update_container(&first), Err(StoreError::Absent)));
        assert!(store.taken_slots().unwrap().is_empty());
    }
}

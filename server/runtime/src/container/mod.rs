//! One container, verb by verb.

pub mod inject;
pub mod inner_network;
pub mod limits;
pub mod reach;
pub mod run;
pub mod start;
pub mod stats;
pub mod stop;

use std::path::PathBuf;

use model::{Hostname, Limits, Vmid, idmap::IdMap};
use protocol::shim::{CgroupPlan, NicPlan, ShimPlan};

use crate::{Runtime, policy};

/// Bytes of console scrollback.
const SCROLLBACK: u32 = 256 * 1024;

/// What a container is to be; pure, nothing of it exists yet.
#[derive(Debug, Clone)]
pub struct ContainerPlan {
    /// Its number.
    pub vmid: Vmid,
    /// Its host name.
    pub hostname: Hostname,
    /// Its ids.
    pub id_map: IdMap,
    /// Trees of the image's layers, base first.
    pub layers: Vec<PathBuf>,
    /// Folder with `upper` and `work`.
    pub own_layer: PathBuf,
    /// Its limits.
    pub limits: Limits,
    /// Its interfaces.
    pub nics: Vec<NicPlan>,
    /// A UUID that stays with it; systemd makes its machine id from it.
    pub uuid: String,
}

impl Runtime {
    /// The plan as the shim wants it.
    fn shim_plan(&self, plan: &ContainerPlan) -> ShimPlan {
        let group = self.groups.group(plan.vmid.get());
        ShimPlan {
            version: protocol::shim::VERSION,
            vmid: plan.vmid,
            hostname: plan.hostname.clone(),
            id_map: plan.id_map,
            layers: plan.layers.clone(),
            own_layer: plan.own_layer.clone(),
            cgroup: CgroupPlan { payload: group.payload(), v1_groups: group.v1_folders() },
            nics: plan.nics.clone(),
            init: vec!["/sbin/init".into()],
            env: vec![
                // The word that images of all makers look for.
                "container=lxc".into(),
                format!("container_uuid={}", plan.uuid),
                "TERM=linux".into(),
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            ],
            capabilities: policy::capabilities(),
            rlimits: policy::rlimits(),
            seccomp: self.seccomp.clone(),
            scrollback_bytes: SCROLLBACK,
        }
    }
}

//! What the kernel shows: status, figures, ends of containers.

use std::{net::Ipv4Addr, sync::Arc, thread, time::Duration};

use model::{Bytes, ContainerConfig, ContainerStatus, PowerState, Vmid, task::TaskKind};
use protocol::{
    ChannelError,
    engine::{
        events::Event,
        view::{ContainerSummary, Usage},
    },
    shim::{ExitRecord, ShimInfo},
};
use runtime::Watcher;
use store::ContainerRow;

use crate::Engine;

/// How often figures are taken while somebody looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// Held while an end is written down.
static SETTLING: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Takes figures while somebody looks, and puts right what something did to the network.
pub(crate) fn observe_forever(engine: &Arc<Engine>) {
    for round in 0u64.. {
        thread::sleep(INTERVAL);
        if engine.hub.watches_containers() {
            tell_all(engine);
        }
        let rules = if round.is_multiple_of(15) { engine.network.keep_rules() } else { Ok(()) };
        if let Err(error) = rules.and_then(|()| engine.network.keep_server()) {
            tracing::error!(error = %crate::error::chain(&error), "the network could not be put right");
        }
    }
}

fn tell_all(engine: &Arc<Engine>) {
    for row in engine.store().list_containers().unwrap_or_default() {
        let vmid = row.config.vmid;
        engine.hub.tell(&Event::Container(summary(engine, &row)));
        if engine.hub.watches(vmid)
            && let Some(usage) = usage(engine, vmid)
        {
            engine.hub.tell(&Event::Usage { vmid, usage });
        }
    }
}

/// Tells listeners how a container stands now.
pub(crate) fn tell(engine: &Engine, vmid: Vmid) {
    match engine.store().find_container(vmid) {
        Ok(Some(row)) => engine.hub.tell(&Event::Container(summary(engine, &row))),
        Ok(None) => engine.hub.tell(&Event::ContainerGone(vmid)),
        Err(error) => tracing::error!(error = %crate::error::chain(&error), "a container could not be read"),
    }
}

/// A container as lists show it.
pub(crate) fn summary(engine: &Engine, row: &ContainerRow) -> ContainerSummary {
    let config = &row.config;
    let task = engine.running.task_on(&config.vmid.to_string());
    let status = status(engine, row, task.as_ref().and_then(|id| id.parts()).map(|p| p.kind));
    let usage = if status.is_up() { usage(engine, config.vmid) } else { None }.unwrap_or_default();
    ContainerSummary {
        vmid: config.vmid,
        name: config.name.clone(),
        status,
        reason: row.last_error.clone().filter(|_| status == ContainerStatus::Failed),
        task,
        memory_max_bytes: config.limits.memory_max.0,
        memory_used_bytes: usage.stats.memory_used.0,
        cores: config.limits.cores.unwrap_or(engine.capacity.cores),
        cpu_usage: usage.cpu_usage,
        addresses: addresses(engine, config).into_iter().map(Into::into).collect(),
        template: config.template.clone(),
        uptime_s: usage.stats.uptime_s,
        onboot: config.is_onboot,
        health: config
            .application
            .as_ref()
            .and_then(|_| crate::applications::seen(engine, config.vmid))
            .map(|s| s.health.state),
    }
}

/// Its addresses: the instance's own as it was given, one in a LAN as it really is while the container runs.
pub(crate) fn addresses(engine: &Engine, config: &ContainerConfig) -> Vec<Ipv4Addr> {
    let Some(nic) = &config.nic else { return Vec::new() };
    let info = engine.live().get(&config.vmid).cloned().filter(|_| nic.lan().is_some());
    match info {
        Some(info) => engine.runtime.addresses(&info),
        None => nic.address().into_iter().collect(),
    }
}

/// The status by what is seen; a task at work comes first.
pub(crate) fn status(engine: &Engine, row: &ContainerRow, task: Option<TaskKind>) -> ContainerStatus {
    match task {
        Some(TaskKind::Create) => return ContainerStatus::Creating,
        Some(TaskKind::Start | TaskKind::Reboot) => return ContainerStatus::Starting,
        Some(TaskKind::Shutdown | TaskKind::Stop | TaskKind::Destroy) => return ContainerStatus::Stopping,
        _ => {}
    }
    let vmid = row.config.vmid;
    if engine.live().contains_key(&vmid) {
        return if engine.runtime.is_frozen(vmid) {
            ContainerStatus::Frozen
        } else {
            ContainerStatus::Running
        };
    }
    match &row.last_error {
        Some(_) => ContainerStatus::Failed,
        None => ContainerStatus::Stopped,
    }
}

/// Figures with rates since the last reading; `None` when it does not run.
pub(crate) fn usage(engine: &Engine, vmid: Vmid) -> Option<Usage> {
    let ticks = engine.live().get(&vmid)?.init_start_ticks;
    let stats = engine.runtime.stats(vmid, ticks, &engine.config.bridge.host_interface(vmid));
    let mut readings = crate::lock(&engine.readings);
    let old = readings.get(&vmid).copied().unwrap_or(Usage { stats, ..Usage::default() });
    let span = stats.taken_us.saturating_sub(old.stats.taken_us);
    // Too short a span gives wild rates: the last ones stand.
    if span < 200_000 && readings.contains_key(&vmid) {
        return Some(Usage { stats, ..old });
    }
    let per_second = |new: u64, old: u64| new.saturating_sub(old).saturating_mul(1_000_000) / span.max(1);
    let cpu = per_second(stats.cpu_usage_us, old.stats.cpu_usage_us) / 100;
    let usage = Usage {
        stats,
        cpu_usage: u32::try_from(cpu).unwrap_or(u32::MAX),
        rx_rate: per_second(stats.rx_bytes, old.stats.rx_bytes),
        tx_rate: per_second(stats.tx_bytes, old.stats.tx_bytes),
    };
    readings.insert(vmid, usage);
    Some(usage)
}

/// Memory promised to containers that run.
pub(crate) fn memory_promised(engine: &Engine, rows: &[ContainerRow]) -> Bytes {
    let live = engine.live();
    Bytes(
        rows.iter().filter(|r| live.contains_key(&r.config.vmid)).map(|r| r.config.limits.memory_max.0).sum(),
    )
}

impl Engine {
    /// Starts the thread that hears of ends and reboots.
    pub(crate) fn watch(self: &Arc<Self>) -> Result<(), ChannelError> {
        let weak = Arc::downgrade(self);
        let watcher = Watcher::start(move |vmid, info| {
            if let Some(engine) = weak.upgrade() {
                heard(&engine, vmid, info);
            }
        })?;
        let _ = self.watcher.set(watcher);
        Ok(())
    }

    /// Takes note of a container that runs, and watches it.
    pub(crate) fn note_running(&self, info: ShimInfo) {
        let vmid = info.vmid;
        self.live().insert(vmid, info);
        let watched = self.watcher.get().map(|w| w.watch(&self.runtime, vmid));
        if let Some(Err(error)) = watched {
            tracing::warn!(%vmid, error = %crate::error::chain(&error), "a container is not watched");
        }
    }

    /// Takes note of a container that does not run any more.
    pub(crate) fn note_stopped(&self, vmid: Vmid) {
        self.live().remove(&vmid);
        crate::lock(&self.readings).remove(&vmid);
    }
}

/// A shim has spoken, or is gone. While a task is at work on the container, the task settles it.
fn heard(engine: &Engine, vmid: Vmid, info: Option<ShimInfo>) {
    if let Some(ShimInfo { exit: None, .. }) = &info {
        engine.live().extend(info.map(|i| (vmid, i)));
        tell(engine, vmid);
        return;
    }
    // Watcher and task may hear of one end at once: the exit can be collected only once, and who comes second
    // would say that nobody knows it.
    let _settling = crate::lock(&SETTLING);
    if engine.running.task_on(&vmid.to_string()).is_some() || !engine.live().contains_key(&vmid) {
        return;
    }
    if info.is_none()
        && let Ok(Some(row)) = engine.store().find_container(vmid)
        && crate::recover::take_over(engine, &row)
    {
        tell(engine, vmid);
        return;
    }
    let exit = engine.runtime.collect(vmid).or(info.and_then(|i| i.exit));
    settle_exit(engine, vmid, exit.as_ref());
}

/// After a task on a container: what was heard while it was at work was left to it, and init may have ended just
/// after the task had seen it run.
pub(crate) fn look_again(engine: &Engine, vmid: Vmid) {
    if !engine.live().contains_key(&vmid) {
        return;
    }
    if let Ok(Some(info @ ShimInfo { exit: Some(_), .. })) = engine.runtime.find_shim(vmid) {
        heard(engine, vmid, Some(info));
    }
}

/// Writes down how a container ended by itself.
pub(crate) fn settle_exit(engine: &Engine, vmid: Vmid, exit: Option<&ExitRecord>) {
    engine.note_stopped(vmid);
    let reason = match exit {
        Some(ExitRecord::PoweredOff) => None,
        Some(ExitRecord::Exited(code)) if *code < 0 => {
            Some("init has ended; how is not known, since the shim that began it had died".to_owned())
        }
        Some(ExitRecord::Exited(code)) => Some(format!("init ended with exit code {code}: see the console")),
        Some(ExitRecord::Killed(signal)) => {
            Some(format!("init was ended by signal {signal}: out of memory?"))
        }
        Some(ExitRecord::RelaunchFailed(failure)) => Some(format!("the reboot failed at: {}", failure.step)),
        None => Some("its parent process is gone: start it again".to_owned()),
    };
    let stored = engine
        .store()
        .set_power(vmid, PowerState::Off)
        .and_then(|()| engine.store().set_last_error(vmid, reason.as_deref()));
    if let Err(error) = stored {
        tracing::error!(%vmid, error = %crate::error::chain(&error), "the end of a container could not be stored");
    }
    tell(engine, vmid);
}

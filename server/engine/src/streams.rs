//! Event streams: the present state first, then changes, until the peer goes.

use std::{
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use model::access::{ObjectPath, Privilege};
use protocol::{
    Channel,
    engine::events::{Event, Topic},
};

use crate::{Engine, access::Caller, clock, events::Listener, observe, server::Held};

/// Without an event for so long a heartbeat goes out, which also notices a peer that is gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a stream asks whether its session still stands, and what it may see (security rule 24).
const RECHECK: Duration = Duration::from_secs(4);

/// Sends events until the peer or the hub lets go.
pub(crate) fn stream(engine: &Arc<Engine>, channel: &Channel, caller: &mut Caller, listener: &Arc<Listener>) {
    if snapshot(engine, listener).is_err() {
        return;
    }
    let mut checked = Instant::now();
    // Never asleep past the next check.
    while let Some(event) = listener.next(PATIENCE.min(RECHECK.saturating_sub(checked.elapsed()))) {
        if checked.elapsed() >= RECHECK {
            checked = Instant::now();
            if !caller.renew(engine.store(), clock::now()) {
                let _ = channel.send(&Event::Ended, &[]);
                return;
            }
        }
        if !may_hear(caller, &event) {
            continue;
        }
        let sent = channel.send(&event, &[]);
        if sent.is_err() || event == Event::Ended {
            return;
        }
    }
}

/// Watches over a viewer that was handed to the web process: it ends with the connection (the page was
/// closed, or the web process died), with the session and with the right to it.
pub(crate) fn hold(engine: &Engine, channel: &Channel, caller: &mut Caller, held: &Held) {
    // Readable means closed: the peer has nothing more to say on this connection.
    while let Ok(false) = channel.wait_readable(RECHECK) {
        let may = caller.renew(engine.store(), clock::now())
            && caller.may(Privilege::VmConsole, &ObjectPath::Vm(held.vmid));
        if !may {
            break;
        }
    }
    let _ = protocol::viewer::hang_up(held.viewer.as_fd());
}

fn may_hear(caller: &Caller, event: &Event) -> bool {
    let vm = |vmid| caller.may(Privilege::VmAudit, &ObjectPath::Vm(vmid));
    match event {
        Event::Container(summary) => vm(summary.vmid),
        Event::ContainerGone(vmid) | Event::Usage { vmid, .. } => vm(*vmid),
        Event::Task(task) => crate::api::tasks::may_see(caller, task),
        Event::TaskLog { .. } | Event::Heartbeat | Event::Ended => true,
    }
}

fn snapshot(engine: &Arc<Engine>, listener: &Listener) -> Result<(), store::StoreError> {
    for topic in listener.topics() {
        match topic {
            Topic::Containers => {
                for row in engine.store().list_containers()? {
                    listener.push(Event::Container(observe::summary(engine, &row)));
                }
            }
            Topic::Container(vmid) => {
                if let Some(row) = engine.store().find_container(*vmid)? {
                    listener.push(Event::Container(observe::summary(engine, &row)));
                }
            }
            Topic::Tasks => {
                for task in engine.store().list_tasks(50, None)?.into_iter().rev() {
                    listener.push(Event::Task(task));
                }
            }
            Topic::Task(id) => {
                let lines = engine.store().list_task_log(id, 0)?;
                listener.push(Event::TaskLog { task: id.clone(), from: 0, lines });
                if let Some(task) = engine.store().find_task(id)? {
                    listener.push(Event::Task(task));
                }
            }
        }
    }
    Ok(())
}

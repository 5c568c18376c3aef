//! Hearing of every exit and reboot: one thread, one connection to each shim.

use std::{
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use model::Vmid;
use protocol::{
    Channel, ChannelError,
    channel::poll_readable,
    shim::{ShimInfo, ShimReply},
};

use crate::{Runtime, shims::ShimError};

/// What is told: the container, and its shim's word or `None` when the shim is gone.
type Callback = Box<dyn Fn(Vmid, Option<ShimInfo>) + Send>;

/// The watching thread's other end; the thread ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    new: Arc<Mutex<Vec<(Vmid, Channel)>>>,
    wake: Channel,
}

impl Watcher {
    /// Starts the thread. The callback must not wait for the watcher.
    ///
    /// # Errors
    /// When no thread or socket can be had.
    pub fn start(callback: impl Fn(Vmid, Option<ShimInfo>) + Send + 'static) -> Result<Self, ChannelError> {
        let (wake, woken) = Channel::pair()?;
        let new = Arc::new(Mutex::new(Vec::new()));
        let handed = Arc::clone(&new);
        let run = move || watch(&woken, &handed, &(Box::new(callback) as Callback));
        thread::Builder::new()
            .name("watch".into())
            .stack_size(256 * 1024)
            .spawn(run)
            .map_err(ChannelError::Io)?;
        Ok(Self { new, wake })
    }

    /// Watches a container from now on.
    ///
    /// # Errors
    /// [`ShimError::Absent`] when it does not run.
    pub fn watch(&self, runtime: &Runtime, vmid: Vmid) -> Result<(), ShimError> {
        let channel = runtime.subscribe(vmid)?;
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push((vmid, channel));
        self.wake.send(&(), &[]).map_err(|source| ShimError::Broken { vmid, source })
    }
}

fn watch(woken: &Channel, new: &Mutex<Vec<(Vmid, Channel)>>, callback: &Callback) {
    let mut shims: Vec<(Vmid, Channel)> = Vec::new();
    loop {
        let sockets: Vec<_> =
            std::iter::once(woken.as_fd()).chain(shims.iter().map(|(_, c)| c.as_fd())).collect();
        let Ok(ready) = poll_readable(&sockets) else { return };
        drop(sockets);
        for index in ready.into_iter().rev() {
            let Some(at) = index.checked_sub(1) else {
                match woken.recv::<()>() {
                    Ok(Some(_)) => shims.append(&mut new.lock().unwrap_or_else(PoisonError::into_inner)),
                    _ => return,
                }
                continue;
            };
            let told = shims.get(at).map(|(vmid, channel)| (*vmid, channel.recv::<ShimReply>()));
            match told {
                Some((vmid, Ok(Some((ShimReply::Event(info), _))))) => callback(vmid, Some(info)),
                Some((vmid, _)) => {
                    shims.remove(at);
                    callback(vmid, None);
                }
                None => {}
            }
        }
    }
}

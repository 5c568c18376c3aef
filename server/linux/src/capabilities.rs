//! Capability sets of this thread; capabilities(7).

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};

/// Highest capability number looked at; the kernel refuses those it does not know.
const LAST: u32 = 63;

/// Takes every capability that is not in `keep` (one bit each) out of the bounding set, and empties
/// the ambient and inheritable sets.
///
/// # Errors
/// The kernel's errno; a capability that the kernel does not know is no error.
pub fn limit_to(keep: u64) -> io::Result<()> {
    for number in (0..=LAST).filter(|n| keep & (1 << n) == 0) {
        // SAFETY: PR_CAPBSET_DROP takes a number and no memory.
        let rc = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        if rc != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::EINVAL) {
                break;
            }
            return Err(error);
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let sets = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(None, CapabilitySets { inheritable: CapabilitySet::empty(), ..sets })?;
    Ok(())
}

/// Makes all permitted capabilities effective again, after a change of the file system user id took some.
///
/// # Errors
/// The kernel's errno.
pub fn raise_permitted() -> io::Result<()> {
    let sets = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(None, CapabilitySets { effective: sets.permitted, ..sets })?;
    Ok(())
}

/// Gives up every capability but those in `keep` (one bit each), for good.
///
/// # Errors
/// The kernel's errno.
pub fn keep_only(keep: u64) -> io::Result<()> {
    limit_to(keep)?;
    let held = rustix::thread::capabilities(None)?.permitted & CapabilitySet::from_bits_truncate(keep);
    let sets = CapabilitySets { effective: held, permitted: held, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

//! Compiling a system call filter to classic BPF with libseccomp; seccomp(2), libseccomp(3).
//!
//! It only translates a policy; what to forbid is decided above. Names that this libseccomp does not
//! know are passed over: the kernel's own checks stay.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};

/// What to forbid.
#[derive(Debug, Clone, Default)]
pub struct Policy<'a> {
    /// Calls answered with an errno.
    pub denied: Vec<(&'a str, i32)>,
    /// Socket families that are not allowed, answered with `EAFNOSUPPORT`.
    pub denied_families: Vec<u64>,
    /// Netlink protocols that are not allowed, answered with `EPROTONOSUPPORT`.
    pub denied_netlink: Vec<u64>,
    /// Socket families from this number up are not allowed.
    pub families_from: u64,
}

/// Compiles a policy for the native architecture and i386; x32 is closed by libseccomp itself.
///
/// # Errors
/// When libseccomp refuses; the text says why.
pub fn compile(policy: &Policy<'_>) -> io::Result<Vec<u8>> {
    build(policy).map_err(io::Error::other)?.export()
}

struct Ready(ScmpFilterContext);

fn build(policy: &Policy<'_>) -> Result<Ready, libseccomp::error::SeccompError> {
    let mut filter = ScmpFilterContext::new(ScmpAction::Allow)?;
    filter.add_arch(ScmpArch::X86)?;
    filter.set_ctl_nnp(false)?;
    for (name, errno) in &policy.denied {
        if let Ok(call) = ScmpSyscall::from_name(name) {
            filter.add_rule(ScmpAction::Errno(*errno), call)?;
        }
    }
    let socket = ScmpSyscall::from_name("socket")?;
    let refuse = ScmpAction::Errno(libc::EAFNOSUPPORT);
    for family in &policy.denied_families {
        let is_it = ScmpArgCompare::new(0, ScmpCompareOp::Equal, *family);
        filter.add_rule_conditional(refuse, socket, &[is_it])?;
    }
    let is_beyond = ScmpArgCompare::new(0, ScmpCompareOp::GreaterEqual, policy.families_from);
    filter.add_rule_conditional(refuse, socket, &[is_beyond])?;
    for protocol in &policy.denied_netlink {
        let is_netlink = ScmpArgCompare::new(0, ScmpCompareOp::Equal, libc::AF_NETLINK.unsigned_abs().into());
        let is_it = ScmpArgCompare::new(2, ScmpCompareOp::Equal, *protocol);
        filter.add_rule_conditional(
            ScmpAction::Errno(libc::EPROTONOSUPPORT),
            socket,
            &[is_netlink, is_it],
        )?;
    }
    Ok(Ready(filter))
}

impl Ready {
    fn export(&self) -> io::Result<Vec<u8>> {
        let memory = rustix::fs::memfd_create(c"bpf", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = File::from(memory);
        self.0.export_bpf(&file).map_err(io::Error::other)?;
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

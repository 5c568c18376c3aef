//! Programs in the kernel: assembling, loading and attaching those that guard the devices of a cgroup.
//!
//! A program decides with numbers only: no map, no helper, no pointer beyond its context. See bpf(2), and
//! `bpf_cgroup_dev_ctx` in the kernel's uapi header.

use std::{
    ffi::c_long,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

const PROG_LOAD: c_long = 5;
const PROG_ATTACH: c_long = 8;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// Programs of parent groups, such as systemd's, keep their say.
const ALLOW_MULTI: u32 = 1 << 1;

/// One instruction, as `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    /// Target register in the low half, source register in the high half.
    registers: u8,
    offset: i16,
    value: i32,
}

impl Instruction {
    const fn new(code: u8, target: u8, source: u8, offset: i16, value: i32) -> Self {
        Self { code, registers: target | source << 4, offset, value }
    }

    /// `target = *(u32 *)(source + offset)`
    #[must_use]
    pub const fn load(target: u8, source: u8, offset: i16) -> Self {
        Self::new(0x61, target, source, offset, 0)
    }

    /// `target = value`
    #[must_use]
    pub const fn set(target: u8, value: i32) -> Self {
        Self::new(0xb7, target, 0, 0, value)
    }

    /// `target = source`
    #[must_use]
    pub const fn copy(target: u8, source: u8) -> Self {
        Self::new(0xbf, target, source, 0, 0)
    }

    /// `target &= value`
    #[must_use]
    pub const fn and(target: u8, value: i32) -> Self {
        Self::new(0x57, target, 0, 0, value)
    }

    /// `target >>= value`
    #[must_use]
    pub const fn shift_right(target: u8, value: i32) -> Self {
        Self::new(0x77, target, 0, 0, value)
    }

    /// Skips `count` instructions when `target != value`.
    #[must_use]
    pub const fn skip_unless_equal(target: u8, value: i32, count: i16) -> Self {
        Self::new(0x55, target, 0, count, value)
    }

    /// Skips `count` instructions when `target == value`.
    #[must_use]
    pub const fn skip_if_equal(target: u8, value: i32, count: i16) -> Self {
        Self::new(0x15, target, 0, count, value)
    }

    /// Ends with what register 0 holds.
    #[must_use]
    pub const fn exit() -> Self {
        Self::new(0x95, 0, 0, 0, 0)
    }
}

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`; the kernel takes the rest as zero.
#[repr(C)]
struct LoadAttributes {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// The head of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
struct AttachAttributes {
    target: RawFd,
    program: RawFd,
    kind: u32,
    flags: u32,
}

/// Loads a program that is asked whenever a device is opened or made.
///
/// # Errors
/// `EINVAL` or `EACCES` when the kernel's checker refuses it, `ENOSYS` without the system call.
pub fn load_device_program(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = LoadAttributes {
        kind: TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        instructions: instructions.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
        name: *b"kiste_devices\0\0\0",
    };
    // SAFETY: the kernel reads `size` bytes at `attributes`, all of them initialised, since its fields leave
    // no gap; the two addresses in it point at a slice and a text that live until the call has returned,
    // and the length of the slice is given.
    let fd =
        unsafe { libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attributes, size_of_val(&attributes)) };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us and nobody else knows it; it is close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Lets a program guard a v2 group and all below it, as long as the group exists.
///
/// # Errors
/// `EPERM` when a parent group forbids programs below it.
pub fn attach_device_program(group: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = AttachAttributes {
        target: group.as_raw_fd(),
        program: program.as_raw_fd(),
        kind: ATTACH_CGROUP_DEVICE,
        flags: ALLOW_MULTI,
    };
    // SAFETY: the kernel reads `size` bytes at `attributes`, four initialised numbers; both descriptors are
    // borrowed, so they stay open during the call.
    match unsafe {
        libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attributes, size_of_val(&attributes))
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

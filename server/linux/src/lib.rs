//! The kernel: namespaces, id maps, mounts, cgroups, netlink, seccomp, pty, pidfd, openat2 paths.

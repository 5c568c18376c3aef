//! One container's parent: launch, console ring, exec, relaunch at reboot.
fn main() {}

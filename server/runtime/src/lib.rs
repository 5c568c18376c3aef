//! The engine's side of one container: plan, prepare, talk to the shim, stats.

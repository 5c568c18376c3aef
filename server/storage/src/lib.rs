//! Pools, layers, a container's own layer; drivers behind one trait.

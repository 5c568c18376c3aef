//! The engine socket and the shim socket: requests, replies, events, framing, passing of file descriptors.

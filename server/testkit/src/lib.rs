//! What tests of several crates share. Never part of the product.
#![expect(clippy::unwrap_used, reason = "test code panics")]

pub mod file_server;
pub mod signer;

//! Tests: system.

//! The kiste verbs, terminal mode.

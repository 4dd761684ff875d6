//! Rows as sea-orm sees them. Never leaves this crate.

//! The stories: what Postroom promises, told through its public API and the protocols it speaks.

mod servers;
mod tidy;

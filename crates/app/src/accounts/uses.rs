//! When a token was last used: written down every few minutes, never waited for long, and never a reason to refuse anybody.

use crate::App;
use domain::{Timestamp, TokenId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What is written is so old at most, while the token is in use.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// A database that takes no writes at the moment holds up no reader.
const PATIENCE: Duration = Duration::from_millis(250);
/// Tokens that are remembered; when there are more, those that are due are forgotten, else all.
const KEPT: usize = 10_000;

/// What this process wrote down, or tried to.
#[derive(Debug, Default)]
pub struct TokenUses(Mutex<HashMap<TokenId, Timestamp>>);

impl TokenUses {
    fn is_due(&self, token: TokenId, now: Timestamp) -> bool {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |at: Timestamp| now >= at && now.since(at) < EVERY;
        if written.get(&token).is_some_and(|at| fresh(*at)) {
            return false;
        }
        if written.len() >= KEPT {
            written.retain(|_, at| fresh(*at));
        }
        if written.len() >= KEPT {
            written.clear();
        }
        written.insert(token, now);
        true
    }
}

/// `known`: what stands in the row.
pub(super) async fn remember(app: &App, token: TokenId, known: Option<Timestamp>) {
    let now = app.now();
    let stands = known.is_some_and(|at| now >= at && now.since(at) < EVERY);
    if stands || !app.token_uses().is_due(token, now) {
        return;
    }
    let sign_in = app.store().sign_in();
    if !matches!(tokio::time::timeout(PATIENCE, sign_in.token_used(token, now)).await, Ok(Ok(()))) {
        tracing::debug!(token.id = %token, "when a token was last used could not be written down");
    }
}

//! One document of the provider's, kept: fetched when first needed, again when an hour old, believed for a day.
//!
//! One fetch at a time; who comes meanwhile waits for it. "Signing key rollover" (Microsoft identity platform) asks for these times.

use domain::{Clock, Failure, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// Older than this, a document is fetched again when it is next needed.
const FRESH: Duration = Duration::from_secs(3600);
/// Older than this, it is not believed any more.
const BELIEVED: Duration = Duration::from_secs(24 * 3600);
/// How long nothing is fetched after a fetch that failed or was forced.
pub(crate) const PAUSE: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(crate) struct Cached<T>(Mutex<Slot<T>>);

#[derive(Debug)]
struct Slot<T> {
    held: Option<(Arc<T>, Timestamp)>,
    failed_at: Option<Timestamp>,
    forced_at: Option<Timestamp>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::new(Slot { held: None, failed_at: None, forced_at: None }))
    }
}

impl<T> Cached<T> {
    /// The document, from here or by `fetch`, which is polled only when needed. A failed fetch leaves a believed document in place.
    pub(crate) async fn get(
        &self,
        clock: &dyn Clock,
        fetch: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Arc<T>, Failure> {
        let mut slot = self.0.lock().await;
        let now = clock.now();
        let believed = slot.held.as_ref().filter(|(_, fetched_at)| now.since(*fetched_at) < BELIEVED);
        if let Some((document, fetched_at)) = believed {
            let paused = slot.failed_at.is_some_and(|failed_at| now.since(failed_at) < PAUSE);
            if paused || now.since(*fetched_at) < FRESH {
                return Ok(document.clone());
            }
        }
        match fetch.await {
            Ok(document) => Ok(slot.keep(document, now)),
            Err(failure) => {
                slot.failed_at = Some(now);
                match slot.held.as_ref().filter(|(_, fetched_at)| now.since(*fetched_at) < BELIEVED) {
                    Some((document, _)) => {
                        tracing::warn!(failure = %failure, "a provider document could not be refreshed; the older one is used");
                        Ok(document.clone())
                    }
                    None => Err(failure),
                }
            }
        }
    }

    /// The document fetched anew because the held one lacks something; `None` when that was done within the last five minutes, so
    /// that tokens with made-up key ids cannot turn us into a flood.
    pub(crate) async fn again(
        &self,
        clock: &dyn Clock,
        held: &Arc<T>,
        fetch: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Option<Arc<T>>, Failure> {
        let mut slot = self.0.lock().await;
        let now = clock.now();
        // Somebody else has fetched since `held` was handed out: theirs may have what is missing.
        if let Some((newer, _)) = slot.held.as_ref().filter(|(current, _)| !Arc::ptr_eq(current, held)) {
            return Ok(Some(newer.clone()));
        }
        if slot.forced_at.is_some_and(|forced_at| now.since(forced_at) < PAUSE) {
            return Ok(None);
        }
        slot.forced_at = Some(now);
        let document = fetch.await?;
        Ok(Some(slot.keep(document, now)))
    }
}

impl<T> Slot<T> {
    fn keep(&mut self, document: T, now: Timestamp) -> Arc<T> {
        let document = Arc::new(document);
        self.held = Some((document.clone(), now));
        self.failed_at = None;
        document
    }
}

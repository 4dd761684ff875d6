//! Waiting for news without asking: IDLE (RFC 2177), where the server offers it.

use super::IdleEnd;
use super::answers::During;
use super::session::{Asked, SMALL_ANSWER, Session, Step};
use domain::{Failure, FailureClass};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// RFC 2177: a server may end a session after 30 minutes without a command.
const LONGEST: Duration = Duration::from_secs(28 * 60);
/// The answer to DONE is a line that every server has ready. Where it does not come, the connection died while nothing was being said, and
/// mail waits for us to find that out.
const GOODBYE: Duration = Duration::from_secs(20);

impl Session {
    /// Waits until the folder has grown, `max` has passed or `stop` is ready. Without IDLE on the server it only waits, and looks once at
    /// the end.
    pub async fn idle(&mut self, max: Duration, stop: impl Future<Output = ()> + Send) -> Result<IdleEnd, Failure> {
        if std::mem::take(&mut self.grew) {
            return Ok(IdleEnd::Changed);
        }
        let mut stop = pin!(stop);
        let until = Instant::now() + max.min(LONGEST);
        if !self.can_idle() {
            tokio::select! {
                () = &mut stop => return Ok(IdleEnd::Stopped),
                () = sleep_until(until) => {}
            }
            return Ok(if self.noop().await? { IdleEnd::Changed } else { IdleEnd::TimedOut });
        }
        let mut asked = self.begin("IDLE", SMALL_ANSWER).await?;
        asked.bound = self.bound(self.limits.silence);
        match self.wait_for_consent(&asked).await {
            // It said no, and the session goes on: whoever waits looks again, and from then on polls.
            Err(failure) if self.is_usable() && failure.class == FailureClass::ProtocolError => {
                self.idle_refused = true;
                return Ok(IdleEnd::TimedOut);
            }
            consent => consent?,
        }

        // A future of `response` that is dropped half-way leaves what was read in the session's buffer, so nothing is lost.
        let end = loop {
            self.give_up();
            let reading = AssertUnwindSafe(self.inner.read_response()).catch_unwind();
            let response = tokio::select! {
                biased;
                response = reading => response,
                () = &mut stop => break IdleEnd::Stopped,
                () = sleep_until(until) => break IdleEnd::TimedOut,
            };
            match response {
                Ok(Ok(Some(response))) => {
                    if let Step::Ended(_) = self.take(response.parsed(), &asked.tag, During::Command, |_| {})? {
                        return Err(Failure::new(FailureClass::ProtocolError).detail("the server ended IDLE by itself"));
                    }
                    if std::mem::take(&mut self.grew) {
                        break IdleEnd::Changed;
                    }
                }
                Ok(Ok(None)) => return Err(Failure::new(FailureClass::ConnectionLost)),
                Ok(Err(error)) => return Err(self.unreadable(&error)),
                Err(_panic) => return Err(self.unreadable(&std::io::Error::other("unreadable"))),
            }
        };
        self.leave_idle(asked).await?;
        Ok(end)
    }

    /// The `+` that begins IDLE; news may come before it.
    async fn wait_for_consent(&mut self, asked: &Asked) -> Result<(), Failure> {
        loop {
            match self.next(asked, During::Command, |_| {}).await? {
                Step::Consent => return Ok(()),
                // A server whose OK comes where its + should stand has begun nothing.
                Step::Ended(_) => {
                    return Err(
                        Failure::new(FailureClass::ProtocolError).detail("the server ended IDLE before it began")
                    );
                }
                Step::Other(_) => {}
            }
        }
    }

    async fn leave_idle(&mut self, asked: Asked) -> Result<(), Failure> {
        let patience = self.limits.silence.min(GOODBYE);
        match timeout(patience, self.inner.run_command_untagged("DONE")).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Failure::new(FailureClass::ConnectionLost).detail(error.to_string())),
            Err(_) => return Err(Failure::new(FailureClass::TimedOut)),
        }
        let asked = Asked { bound: self.bound(patience), ..asked };
        loop {
            if let Step::Ended(_) = self.next(&asked, During::Command, |_| {}).await? {
                return Ok(());
            }
        }
    }
}

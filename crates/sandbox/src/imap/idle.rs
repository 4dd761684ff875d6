//! IDLE (RFC 2177): waits for DONE, for mail, for the end of the token, and for a fault that says the token ended.

use std::time::Duration;

use super::AUTHENTICATED;
use super::session::{EXPIRED, Flow, OVER, Session};
use super::wire::Line;

impl Session {
    pub(super) async fn idle(&mut self, tag: &str) -> Flow {
        let Some(mailbox) = self.mailbox.clone() else { return OVER };
        let mut mail = mailbox.watch();
        let mut faults = self.state.faults.watch();
        let mut kicks = self.state.watch_kicks();
        self.wire.line("+ IDLE accepted, awaiting DONE command.").await?;
        let silence = tokio::time::sleep(AUTHENTICATED);
        tokio::pin!(silence);
        loop {
            mail.mark_unchanged();
            self.report_in_idle().await?;
            if self.moved_away() {
                return OVER;
            }
            if self.token_ended() {
                self.wire.line(EXPIRED).await?;
                return OVER;
            }
            let left = self.access.as_ref().map_or(0, |access| self.state.seconds_left(&access.token));
            let left = Duration::from_secs(u64::try_from(left).unwrap_or_default());
            let state = std::sync::Arc::clone(&self.state);
            tokio::select! {
                line = self.wire.read_line(1024) => return match line? {
                    Line::Text(line) if line.trim().eq_ignore_ascii_case("DONE") => {
                        self.report().await?;
                        self.done(tag, "IDLE").await
                    }
                    Line::Text(_) | Line::TooLong(_) => self.tagged(tag, "BAD Command Argument Error. 12").await,
                    Line::End => OVER,
                },
                changed = mail.changed() => if changed.is_err() { return OVER },
                changed = faults.changed() => if changed.is_err() { return OVER },
                changed = kicks.changed() => if changed.is_err() { return OVER },
                () = tokio::time::sleep(left) => {}
                () = &mut silence => {
                    self.wire.line("* BYE Connection is closed. 13").await?;
                    return OVER;
                }
                () = state.ended.cancelled() => return OVER,
            }
        }
    }
}

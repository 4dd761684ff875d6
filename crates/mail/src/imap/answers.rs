//! What an IMAP server said → what it means. Each line has its entry in docs/COMPATIBILITY.md.
//!
//! Pure: text in, [`Failure`] out. The first rule that fits decides; the server's words are kept with it.

use crate::stated_wait::stated_wait;
use domain::{Failure, FailureClass};
use std::time::Duration;

/// What was being done when the server said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    Greeting,
    Authenticate,
    /// EXAMINE, STATUS or APPEND: the answer may be about the folder.
    Folder,
    Command,
}

/// No wait is longer than this at a time: Exchange states up to five minutes and means it, more would be a mistake.
const MOST_BACKOFF: Duration = Duration::from_secs(300);

/// A tagged NO or BAD.
pub fn refused(during: During, said: &str) -> Failure {
    let class = by_words(said).unwrap_or(match during {
        During::Greeting => FailureClass::ServerUnavailable,
        During::Authenticate => FailureClass::AuthenticationRefused,
        During::Folder => FailureClass::FolderMissing,
        During::Command => FailureClass::ProtocolError,
    });
    with_backoff(Failure::new(class).said(said), said)
}

/// An untagged BYE: the server ends the session.
pub fn bye(said: &str) -> Failure {
    let class = by_words(said).unwrap_or(FailureClass::ConnectionLost);
    with_backoff(Failure::new(class).said(said), said)
}

/// A line that is no IMAP. Exchange says "Server Unavailable. 15" without a tag.
pub fn unparsable(line: &str) -> Failure {
    let class = by_words(line).unwrap_or(FailureClass::ProtocolError);
    with_backoff(Failure::new(class).said(line), line)
}

/// A FETCH of which only the messages that are gone were refused: what the server sent of the others is good.
pub fn only_expunged(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    said.contains("requested messages no longer exist") || said.contains("[expungeissued]")
}

/// The first row with one of these words decides.
const WORDS: &[(&[&str], FailureClass)] = &[
    (&["request is throttled", "[throttled]", "account exceeded command or bandwidth limits"], FailureClass::Throttled),
    (&["[overquota]"], FailureClass::MailboxFull),
    (&["accesstokenexpired", "session invalidated", "session expired"], FailureClass::SessionExpired),
    (&["authenticated but not connected"], FailureClass::MailboxNotConnected),
    (
        &["too many simultaneous connections", "too many connections", "maximum number of connections", "[limit]"],
        FailureClass::TooManyConnections,
    ),
    (
        &[
            "[authenticationfailed]",
            "[authorizationfailed]",
            "authenticate failed",
            "login failed",
            "invalid credentials",
            "[expired]",
        ],
        FailureClass::AuthenticationRefused,
    ),
    (
        &[
            "server unavailable",
            "[unavailable]",
            "[serverbug]",
            "[inuse]",
            "temporar",
            "try again",
            "retry after",
            "server busy",
            "shutting down",
        ],
        FailureClass::ServerUnavailable,
    ),
    (
        &["invalid state", "connection closed", "autologout", "logged out", "idle for too long", "inactivity"],
        FailureClass::ConnectionLost,
    ),
    // Exchange has not understood the command, whatever it was about: that says nothing about a folder.
    (&["command argument error", "command error"], FailureClass::ProtocolError),
    (
        &[
            "[nonexistent]",
            "[trycreate]",
            "mailbox doesn't exist",
            "mailbox does not exist",
            "unknown mailbox",
            "folder name is reserved",
        ],
        FailureClass::FolderMissing,
    ),
];

fn by_words(said: &str) -> Option<FailureClass> {
    let said = said.to_ascii_lowercase();
    WORDS.iter().find(|(words, _)| words.iter().any(|word| said.contains(word))).map(|(_, class)| *class)
}

/// "Request is throttled. Suggested Backoff Time: 299961 milliseconds"
fn with_backoff(failure: Failure, said: &str) -> Failure {
    match stated_wait(said) {
        Some(wait) => failure.after(wait.min(MOST_BACKOFF)),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchange_and_its_relatives_are_understood() {
        use FailureClass::*;
        for (during, said, class) in [
            (During::Authenticate, "AUTHENTICATE failed.", AuthenticationRefused),
            (During::Authenticate, "[AUTHENTICATIONFAILED] Authentication failed.", AuthenticationRefused),
            (During::Authenticate, "[ALERT] Too many simultaneous connections. (Failure)", TooManyConnections),
            (During::Authenticate, "anything", AuthenticationRefused),
            (During::Authenticate, "Server Unavailable. 15", ServerUnavailable),
            (During::Authenticate, "[UNAVAILABLE] Temporary authentication failure.", ServerUnavailable),
            (During::Folder, "User is authenticated but not connected.", MailboxNotConnected),
            (During::Folder, "[NONEXISTENT] Unknown Mailbox: x", FolderMissing),
            (During::Folder, "x doesn't exist.", FolderMissing),
            (During::Command, "Command received in Invalid state.", ConnectionLost),
            (During::Command, "Command Argument Error. 11", ProtocolError),
            (During::Command, "Server busy, try again in 30 seconds", ServerUnavailable),
            (During::Greeting, "No way", ServerUnavailable),
            (During::Folder, "Command Argument Error. 12", ProtocolError),
            (During::Command, "Command Error. 12", ProtocolError),
            (During::Folder, "Folder name is reserved.", FolderMissing),
            (During::Command, "Request is throttled. Suggested Backoff Time: 299961 milliseconds", Throttled),
        ] {
            let failure = refused(during, said);
            assert_eq!(failure.class, class, "{said}");
            assert_eq!(failure.server_said.as_deref(), Some(said));
        }
        assert_eq!(bye("Session invalidated - AccessTokenExpired").class, SessionExpired);
        assert_eq!(bye("Connection closed. 14").class, ConnectionLost);
        assert_eq!(bye("Server shutting down").class, ServerUnavailable);
        assert_eq!(unparsable("Server Unavailable. 15").class, ServerUnavailable);
        assert_eq!(unparsable("HTTP/1.1 400 Bad Request").class, ProtocolError);
    }

    #[test]
    fn a_stated_backoff_is_obeyed_up_to_five_minutes() {
        let failure = refused(During::Command, "Request is throttled. Suggested Backoff Time: 299961 milliseconds");
        assert_eq!((failure.class, failure.retry_after_seconds), (FailureClass::Throttled, Some(300)));
        let failure = refused(During::Command, "Request is throttled. Suggested Backoff Time: 1500 milliseconds");
        assert_eq!(failure.retry_after_seconds, Some(2));
        let failure = bye("Request is throttled. Suggested Backoff Time: 99999999999 milliseconds");
        assert_eq!(failure.retry_after_seconds, Some(300));
    }
}

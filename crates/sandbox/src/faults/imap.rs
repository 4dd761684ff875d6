//! What Exchange's IMAP does on a bad day (docs: RFC 3501; Exchange's own answers as posted by users of its servers).

use crate::tls::TlsFault;
use std::time::Duration;

/// A fault of the IMAP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImapFault {
    /// Something is wrong with the TLS that comes first.
    Tls(TlsFault),
    /// Whenever and however the connection ends, TLS is not told (RFC 8446 §6.1 wants a close_notify).
    NoCloseNotify,
    /// The connection ends before a greeting.
    ConnectionClosed,
    /// `* BYE Server shutting down` instead of a greeting.
    GreetingBye,
    /// Nothing comes after the connection is made.
    StallAtGreeting,
    /// `NO AUTHENTICATE failed.` whatever the token is.
    AuthenticateFailed,
    /// A base64 JSON challenge first, as Dovecot and Gmail do, then NO.
    AuthenticateChallenged,
    /// OK to AUTHENTICATE, then `BAD User is authenticated but not connected.` to the next command, then BYE 14.
    AuthenticatedNotConnected,
    /// `* BYE Session invalidated - AccessTokenExpired` at the next command, or at once in IDLE.
    AccessTokenExpired,
    /// `Request is throttled. Suggested Backoff Time: … milliseconds`, tagged BAD (or NO), to the next command after
    /// sign-in; the connection then ends if asked.
    Throttled { milliseconds: u64, tagged_no: bool, close: bool },
    /// `Server Unavailable. 15`, no tag and no star, then the end.
    ServerUnavailable,
    /// The command is answered so: `verb` is `FETCH`, `SEARCH`, `EXAMINE`, `NOOP` …, `text` e.g. `NO Something`.
    Answer { verb: String, text: String },
    /// The connection ends when this command arrives, without an answer.
    CloseAt { verb: String },
    /// `* BYE …` when this command arrives, then the end.
    ByeAt { verb: String, text: String },
    /// Silence from this command on; the connection stays open (a half-open socket looks so).
    StallAt { verb: String },
    /// A line that is no IMAP at all comes before the answer to this command.
    GarbageAt { verb: String, line: String },
    /// NO to a FETCH after so many messages were sent.
    FetchNoAfter { messages: usize },
    /// BAD to a FETCH after so many messages were sent.
    FetchBadAfter { messages: usize },
    /// The connection ends in the middle of the literal of the message after so many complete ones.
    FetchEofInLiteral { after_messages: usize },
    /// The connection ends between two messages of a FETCH.
    FetchEofBetween { after_messages: usize },
    /// Silence in the middle of a literal.
    FetchStallInLiteral { after_messages: usize },
    /// From the first body on everything comes byte by byte, so far apart.
    Dribble { apart: Duration },
    /// SEARCH lists the UID, FETCH leaves it out and says OK.
    MissingInFetch { uid: u32 },
    /// A FETCH of bodies leaves its last mail out and says OK; the next SEARCH hears `* OK Still here` so often, and nothing else.
    LeftOutThenNoSearch { every: Duration },
    /// The answers of a FETCH come in another order.
    FetchShuffled,
    /// Each message of a FETCH is answered twice, and a FETCH of flags of others is mixed in.
    FetchUnsolicited,
    /// RFC822.SIZE is off by so much.
    WrongSize { by: i64 },
    /// `BODYSTRUCTURE (NIL NIL)`.
    MalformedBodyStructure,
    /// INTERNALDATE is no date.
    MalformedInternalDate,
    /// SEARCH finds nothing although there is mail.
    EmptySearch,
    /// LIST answers nothing.
    EmptyList,
    /// LIST names one more folder, which nobody can open.
    PhantomFolder { name: String },
    /// No UIDNEXT in the answer to SELECT or EXAMINE.
    NoUidNext,
    /// The new mail is not announced in IDLE.
    SilentIdle,
}

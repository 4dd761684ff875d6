//! What Microsoft Graph does on a bad day (Microsoft Learn: "Microsoft Graph error responses and resource types", "Microsoft Graph
//! throttling guidance"; the codes of Outlook's mail API as clients have posted them).

/// Which call of Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphPoint {
    /// `GET /me`.
    Me,
    /// `POST …/messages`.
    CreateDraft,
    /// `GET …/messages/{id}`.
    ReadMessage,
    /// `PATCH …/messages/{id}`.
    UpdateDraft,
    /// `DELETE …/messages/{id}`.
    DeleteMessage,
    /// `POST …/messages/{id}/attachments`.
    AddAttachment,
    /// `POST …/attachments/createUploadSession`.
    CreateUploadSession,
    /// A `PUT` to the address that an upload session gave.
    UploadChunk,
    /// `POST …/messages/{id}/send`.
    Send,
    /// `POST …/sendMail`.
    SendMail,
    /// `GET …/mailFolders/{name}` and what is in it.
    Folder,
}

/// A fault of Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphFault {
    /// This answer, as Graph words its errors, and nothing is done.
    Answer { at: GraphPoint, status: u16, code: String, message: String, retry_after_seconds: Option<u32> },
    /// A page instead of JSON, from something before Graph: the edge's 502.
    Html { at: GraphPoint, status: u16 },
    /// 200 and nothing in it; nothing is done.
    EmptyOk(GraphPoint),
    /// The connection ends where the answer would come. `carried_out`: what was asked for is done.
    AnswerLost { at: GraphPoint, carried_out: bool },
    /// No answer comes, and the connection stays open. `carried_out`: what was asked for is done.
    Stall { at: GraphPoint, carried_out: bool },
    /// Something on the way repeats the request: it is carried out, and the answer is that to the second.
    Repeated(GraphPoint),
    /// Carried out, and something before Graph answers 503 all the same.
    DoneAndUnavailable(GraphPoint),
    /// 202 to `/send`, and a non-delivery report for every recipient later.
    BounceLater,
}

impl GraphFault {
    fn answer(at: GraphPoint, status: u16, code: &str, message: &str) -> Self {
        Self::Answer { at, status, code: code.into(), message: message.into(), retry_after_seconds: None }
    }

    pub(crate) fn point(&self) -> Option<GraphPoint> {
        match self {
            Self::Answer { at, .. }
            | Self::Html { at, .. }
            | Self::EmptyOk(at)
            | Self::Repeated(at)
            | Self::DoneAndUnavailable(at)
            | Self::AnswerLost { at, .. }
            | Self::Stall { at, .. } => Some(*at),
            Self::BounceLater => None,
        }
    }

    /// 429: the mailbox has too many requests of this app under way. `Retry-After` may be missing.
    pub fn too_many_requests(at: GraphPoint, retry_after_seconds: Option<u32>) -> Self {
        let (code, message) = ("ApplicationThrottled", "Application is over its MailboxConcurrency limit.");
        Self::Answer { at, status: 429, code: code.into(), message: message.into(), retry_after_seconds }
    }

    /// 503, asked to come again.
    pub fn unavailable(at: GraphPoint, retry_after_seconds: Option<u32>) -> Self {
        let (code, message) = ("serviceNotAvailable", "The service is temporarily unavailable.");
        Self::Answer { at, status: 503, code: code.into(), message: message.into(), retry_after_seconds }
    }

    /// 503: the mailbox is being moved.
    pub fn mailbox_info_stale(at: GraphPoint) -> Self {
        Self::answer(at, 503, "MailboxInfoStale", "Mailbox info is stale.")
    }

    /// 403: no right, or no access to the mailbox.
    pub fn access_denied(at: GraphPoint) -> Self {
        Self::answer(at, 403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    }

    /// 403: From is not an address the mailbox may send as.
    pub fn send_as_denied() -> Self {
        let message = "The user account which was used to submit this request does not have the right to send mail on behalf of the \
                       specified sending account., Cannot submit message.";
        Self::answer(GraphPoint::Send, 403, "ErrorSendAsDenied", message)
    }

    /// 404: no mailbox at Exchange Online.
    pub fn mailbox_not_enabled(at: GraphPoint) -> Self {
        let message = "The mailbox is either inactive, soft-deleted, or is hosted on-premise.";
        Self::answer(at, 404, "MailboxNotEnabledForRESTAPI", message)
    }

    /// 507: the mailbox is full.
    pub fn quota_exceeded(at: GraphPoint) -> Self {
        Self::answer(at, 507, "ErrorQuotaExceeded", "The mailbox quota has been exceeded.")
    }

    /// The mail is larger than the mailbox may send.
    pub fn message_size_exceeded(at: GraphPoint) -> Self {
        Self::answer(at, 400, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
    }

    /// 400: an address that is none.
    pub fn invalid_recipients() -> Self {
        let message = "At least one recipient is not valid., Recipient is not resolved.";
        Self::answer(GraphPoint::Send, 400, "ErrorInvalidRecipients", message)
    }

    /// 401, as when the token has just expired.
    pub fn invalid_token(at: GraphPoint) -> Self {
        Self::answer(at, 401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
    }

    /// 429: ten thousand recipients in a day.
    pub fn submission_quota() -> Self {
        let message = "The message can't be submitted because the sender's submission quota was exceeded., Cannot submit message.";
        Self::answer(GraphPoint::Send, 429, "ErrorExceededMessageLimit", message)
    }
}

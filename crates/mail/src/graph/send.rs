//! A mail becomes a draft with all its files; the draft is sent; and what became of it is asked.

use super::client::Client;
use super::mime::{File, prepared};
use super::{DraftId, Outgoing, Standing, answers};
use crate::smtp::SendOutcome;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{EmailAddress, Failure, FailureClass};
use net::{HttpRequest, Method, NetError};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use url::Url;

/// A slow line needs minutes for 4 MB.
const LONG: Duration = Duration::from_secs(300);
/// A file up to this size fits into a request as base64.
const MOST_INLINE_BYTES: usize = 3_000_000;
/// Pieces of a larger one: a multiple of 320 KiB, less than 4 MB.
const PIECE_BYTES: usize = 12 * 320 * 1024;
/// A draft of ours that an earlier attempt left; there is one, or by accident two.
const LEFTOVERS: &str = "10";
/// How soon to look a second time at a draft that was just sent.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// Where upload sessions lead to, beside Graph's own host.
const UPLOAD_DOMAINS: [&str; 5] =
    [".office.com", ".office365.com", ".office365.us", ".outlook.com", ".partner.outlook.cn"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: String,
    #[serde(default)]
    internet_message_id: Option<String>,
    #[serde(default)]
    is_draft: Option<bool>,
    #[serde(default)]
    from: Option<Person>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    email_address: Option<Address>,
}

#[derive(Deserialize)]
struct Address {
    address: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    value: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    upload_url: String,
}

impl Client {
    /// Proves that drafts can be made in the mailbox: its Drafts folder is there for this token. Whether one may send as another address shows
    /// only when something is sent.
    pub async fn probe(&self) -> Result<(), Failure> {
        let mut url = self.url(&["mailFolders", "drafts"])?;
        url.query_pairs_mut().append_pair("$select", "id");
        let folder: serde_json::Value = self.told(self.request(Method::GET, url)).await?;
        match folder.get("id") {
            Some(_) => Ok(()),
            None => Err(Failure::new(FailureClass::ProtocolError).detail("the Drafts folder has no id")),
        }
    }

    /// A draft with everything of the mail in it. When this fails, or is dropped, a draft may stay behind that nobody sends
    /// ([`Client::discard`]).
    pub async fn draft(&self, mail: &Outgoing<'_>) -> Result<DraftId, Failure> {
        let (mime, files) = prepared(mail.bytes, mail.to)?;
        let request = self.request(Method::POST, self.url(&["messages"])?).header("content-type", "text/plain");
        let request = HttpRequest { body: STANDARD.encode(&mime).into_bytes(), ..request }.within(LONG);
        let draft: Message = self.told(request).await?;
        let id = DraftId(draft.id);
        let from = draft.from.and_then(|from| from.email_address).and_then(|from| from.address);
        // Exchange puts the mailbox's own address there.
        if !from.as_deref().and_then(EmailAddress::parse).is_some_and(|from| from.same_as(mail.from)) {
            let from = json!({"from": {"emailAddress": {"address": mail.from.as_str()}}});
            self.done(self.json(Method::PATCH, &["messages", &id.0], &from)?).await?;
        }
        for file in &files {
            self.add(&id, file).await?;
        }
        Ok(id)
    }

    /// Deletes drafts under this Message-ID that an attempt left and that were never sent.
    pub async fn discard(&self, message_id: &str) -> Result<(), Failure> {
        let mut url = self.url(&["mailFolders", "drafts", "messages"])?;
        let filter = format!("internetMessageId eq '<{}>'", message_id.replace('\'', "''"));
        url.query_pairs_mut()
            .append_pair("$filter", &filter)
            .append_pair("$select", "id")
            .append_pair("$top", LEFTOVERS);
        let left: Found = self.told(self.request(Method::GET, url)).await?;
        for message in left.value {
            self.delete(&DraftId(message.id)).await?;
        }
        Ok(())
    }

    /// Deletes this message, wherever it is. One that is not there any more is deleted.
    pub async fn delete(&self, message: &DraftId) -> Result<(), Failure> {
        let url = self.url(&["messages", &message.0])?;
        let answer = self.ask(self.request(Method::DELETE, url)).await.map_err(|error| error.failure())?;
        if answer.is_success() || answers::is_gone(&answer) { Ok(()) } else { Err(answers::not_done(&answer)) }
    }

    /// The draft leaves. When no answer comes, [`Client::look`] says later what became of it.
    pub async fn send(&self, draft: &DraftId, message_id: &str) -> SendOutcome {
        let url = match self.url(&["messages", &draft.0, "send"]) {
            Ok(url) => url,
            Err(failure) => return SendOutcome::Rejected { failure },
        };
        // "message: send": the body is empty, and its length is said.
        let request = self.request(Method::POST, url).header("content-length", "0").within(LONG);
        let answer = match self.ask(request).await {
            Ok(answer) => answer,
            Err(error) if said_nothing(&error) => return SendOutcome::Rejected { failure: error.failure() },
            Err(error) => {
                return SendOutcome::Unknown { failure: unknown("no answer came to the sending", &error.failure()) };
            }
        };
        match answer.status {
            202 => {}
            // Asked to come again, so nothing was done.
            429 | 503 | 400..500 => return SendOutcome::Rejected { failure: answers::refused(&answer) },
            status => {
                let what = format!("the answer to the sending was {status}");
                return SendOutcome::Unknown { failure: unknown(&what, &answers::refused(&answer)) };
            }
        }
        SendOutcome::Accepted { reply: "202".to_owned(), rewritten_message_id: self.rewritten(draft, message_id).await }
    }

    /// The Message-ID it left under, where that is another one. What is not known yet is learnt from the copy in Sent.
    async fn rewritten(&self, draft: &DraftId, ours: &str) -> Option<String> {
        for wait in [Duration::ZERO, ON_ITS_WAY] {
            tokio::time::sleep(wait).await;
            match self.look(draft).await {
                Ok(Standing::Sent { message_id }) => return message_id.filter(|id| id != ours),
                Ok(Standing::Draft) => {}
                Ok(Standing::Gone) | Err(_) => return None,
            }
        }
        None
    }

    /// What became of a draft.
    pub async fn look(&self, draft: &DraftId) -> Result<Standing, Failure> {
        let mut url = self.url(&["messages", &draft.0])?;
        url.query_pairs_mut().append_pair("$select", "isDraft,internetMessageId");
        let answer = self.ask(self.request(Method::GET, url)).await.map_err(|error| error.failure())?;
        if answers::is_gone(&answer) {
            return Ok(Standing::Gone);
        }
        if !answer.is_success() {
            return Err(answers::not_done(&answer));
        }
        let message: Message = answer.json().map_err(|_| answers::says_nothing(&answer))?;
        match message.is_draft {
            Some(true) => Ok(Standing::Draft),
            Some(false) => Ok(Standing::Sent { message_id: message.internet_message_id.as_deref().and_then(plain_id) }),
            None => Err(answers::says_nothing(&answer)),
        }
    }

    async fn add(&self, draft: &DraftId, file: &File) -> Result<(), Failure> {
        if file.bytes.len() > MOST_INLINE_BYTES {
            return self.upload(draft, file).await;
        }
        let mut body = json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": file.name,
            "contentType": file.content_type,
            "contentBytes": STANDARD.encode(&file.bytes),
        });
        shown_in_text(&mut body, file);
        let request = self.json(Method::POST, &["messages", &draft.0, "attachments"], &body)?;
        self.done(request.within(LONG)).await.map(drop)
    }

    async fn upload(&self, draft: &DraftId, file: &File) -> Result<(), Failure> {
        let all = file.bytes.len();
        let mut item =
            json!({"attachmentType": "file", "name": file.name, "contentType": file.content_type, "size": all});
        shown_in_text(&mut item, file);
        let path = ["messages", &draft.0, "attachments", "createUploadSession"];
        let session: Session = self.told(self.json(Method::POST, &path, &json!({"AttachmentItem": item}))?).await?;
        let address = Url::parse(&session.upload_url).ok().filter(|address| may_upload_to(address, self.base()));
        let Some(address) = address else {
            let failure = Failure::new(FailureClass::ProtocolError);
            return Err(failure.detail("the address for the upload is not one of Microsoft's"));
        };
        for (at, piece) in file.bytes.chunks(PIECE_BYTES).enumerate() {
            let first = at * PIECE_BYTES;
            let last = first + piece.len() - 1;
            // The address is the permission: a token beside it is refused.
            let request = HttpRequest::new(Method::PUT, address.clone(), piece.to_vec())
                .header("content-type", "application/octet-stream")
                .header("content-range", format!("bytes {first}-{last}/{all}"))
                .within(LONG);
            self.done(request).await?;
        }
        Ok(())
    }

    fn json(&self, method: Method, path: &[&str], body: &serde_json::Value) -> Result<HttpRequest, Failure> {
        let request = self.request(method, self.url(path)?).header("content-type", "application/json");
        Ok(HttpRequest { body: body.to_string().into_bytes(), ..request })
    }
}

fn shown_in_text(body: &mut serde_json::Value, file: &File) {
    if let Some(id) = &file.content_id {
        body["isInline"] = json!(true);
        body["contentId"] = json!(id);
    }
}

/// The files go where Graph says; what is in them goes to nobody but Microsoft.
fn may_upload_to(url: &Url, base: &Url) -> bool {
    if url.origin() == base.origin() {
        return true;
    }
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https"
        && url.port().is_none()
        && url.username().is_empty()
        && UPLOAD_DOMAINS.iter().any(|domain| host.ends_with(domain))
}

/// Nothing of the request can have reached Graph.
fn said_nothing(error: &NetError) -> bool {
    match error {
        NetError::TimedOut { during, .. } => *during == "connecting",
        NetError::ConnectionLost { .. } | NetError::BodyTooLarge { .. } => false,
        NetError::Config(_)
        | NetError::PlainHttp { .. }
        | NetError::Unresolved { .. }
        | NetError::Forbidden { .. }
        | NetError::Unreachable { .. }
        | NetError::Tls { .. }
        | NetError::NoTls { .. }
        | NetError::NoSlot { .. } => true,
    }
}

fn unknown(what: &str, cause: &Failure) -> Failure {
    let mut failure = Failure::new(FailureClass::OutcomeUnknown).detail(what);
    failure.server_said.clone_from(&cause.server_said);
    failure.correlation_id.clone_from(&cause.correlation_id);
    failure
}

/// `<id>` without its brackets, when it may be one.
fn plain_id(id: &str) -> Option<String> {
    let id = id.trim().strip_prefix('<')?.strip_suffix('>')?;
    crate::compose::address::is_header_id(id).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_to_microsoft_or_to_graphs_own_host_alone() {
        let base = Url::parse("https://graph.microsoft.com").expect("a URL");
        let may = |url: &str| may_upload_to(&Url::parse(url).expect("a URL"), &base);
        assert!(may("https://outlook.office.com/api/gv1.0/Users('x')/AttachmentSessions('y')?authtoken=z"));
        assert!(may("https://graph.microsoft.com/upload"));
        for elsewhere in [
            "https://evil.example/",
            "https://outlook.office.com.evil.example/",
            "https://eviloffice.com/",
            "http://outlook.office.com/",
            "https://outlook.office.com:8443/",
            "https://user@outlook.office.com/",
        ] {
            assert!(!may(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn an_id_is_believed_when_it_can_be_one() {
        assert_eq!(plain_id("<a@b.example>").as_deref(), Some("a@b.example"));
        for odd in ["", "a@b.example", "<a b@c>", "<>", "<a>\r\nBcc: x<b>"] {
            assert_eq!(plain_id(odd), None, "{odd}");
        }
    }
}

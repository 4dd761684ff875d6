//! A draft leaves, or MIME without one: checked, filed in Sent, and brought to its recipients as submission by SMTP does it.
//!
//! 202 says that it was taken, not that it arrived ("user: sendMail"). Nothing says that a second mail under a Message-ID is swallowed, so
//! none is.

use poem::http::{HeaderMap, header};

use super::Answered;
use super::access::Asked;
use super::answers::GraphError;
use super::drafts::{accepted, mime_of, taken_in};
use super::items::{Added, Item, Kept, new_id};
use crate::ambient::{hex, random_bytes};
use crate::directory::TenantUser;
use crate::faults::{GraphFault, SmtpFault};
use crate::journal::Event;
use crate::mime::{encode_header, encode_lines};
use crate::smtp::{Handed, deliver, outlook_message_id, with_message_id};
use crate::state::State;

/// "Content-Length: 0" is required, and nothing else ("message: send").
pub(super) fn send(state: &State, asked: &Asked, id: &str, headers: &HeaderMap, body: &[u8]) -> Answered {
    if headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()) != Some("0") || !body.is_empty() {
        return Err(GraphError::new(411, "LengthRequired", "Content-Length: 0 is required."));
    }
    let item = state.items.get(&asked.mailbox, id).ok_or_else(GraphError::not_found)?;
    if item.kept != Kept::Drafts {
        return Err(GraphError::new(
            400,
            "ErrorInvalidRequest",
            "The message was sent already., Cannot submit message.",
        ));
    }
    leaves(state, asked, &item)
}

pub(super) fn send_mail(state: &State, asked: &Asked, headers: &HeaderMap, body: &[u8]) -> Answered {
    let mime = taken_in(state, &asked.mailbox, &mime_of(headers, body)?);
    let item = Item::draft(&asked.mailbox, mime);
    state.items.add(item.clone());
    let answer = leaves(state, asked, &item);
    if answer.is_err() {
        state.items.remove(&item.immutable);
    }
    answer
}

fn leaves(state: &State, asked: &Asked, item: &Item) -> Answered {
    let owner: TenantUser = state.directory().user(&item.mailbox).cloned().ok_or_else(GraphError::not_found)?;
    // Exchange writes the mailbox's own address where the mail has none.
    let from = item.from.clone().unwrap_or_else(|| owner.primary_address().to_owned());
    let sender = state.directory().user_by_id(&asked.user.tid, &asked.user.oid).cloned().unwrap_or(asked.user.clone());
    if !sender.may_send_as(&from) {
        let message = "The user account which was used to submit this request does not have the right to send mail on behalf of the \
                       specified sending account., Cannot submit message.";
        return Err(GraphError::new(403, "ErrorSendAsDenied", message));
    }
    let recipients: Vec<String> = ["To", "Cc", "Bcc"].iter().flat_map(|field| item.recipients(field)).collect();
    if recipients.is_empty() || recipients.iter().any(|address| !address.contains('@')) {
        let message = "At least one recipient is not valid., Recipient is not resolved.";
        return Err(GraphError::new(400, "ErrorInvalidRecipients", message));
    }
    let whole = with_added(item);
    let original = crate::mime::message_id(&whole).unwrap_or_default();
    state.submissions.first_time(&owner.address, &original);
    let (stored_id, stored) = if owner.rewrites_message_id {
        let new = outlook_message_id();
        let replaced = with_message_id(&whole, &new, Some(&original));
        (new, replaced)
    } else {
        (original.clone(), whole)
    };
    state.journal.note(Event::GraphAccepted {
        mailbox: item.mailbox.clone(),
        to: recipients.clone(),
        message_id: original,
        stored_message_id: stored_id,
    });
    let mailbox = state.mailbox_of(&item.mailbox);
    if let Some((folder, uid)) = &item.shown {
        mailbox.expunge(folder, *uid);
    }
    let uid = mailbox.append_with(&owner.sent_folder, &stored, &["\\Seen"], None);
    state.items.change(&item.immutable, |item| {
        // It moved, so its ordinary id is another one.
        item.ordinary = new_id();
        item.kept = Kept::Sent;
        item.mime.clone_from(&stored);
        item.added.clear();
        item.shown = Some((owner.sent_folder.clone(), uid));
    });
    if state
        .faults
        .take_graph(Some(&asked.user.address), |fault| (*fault == GraphFault::BounceLater).then_some(()))
        .is_some()
    {
        state.faults.once_for(
            &owner.address,
            SmtpFault::BounceLater {
                status: "5.1.10".into(),
                diagnostic: "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"
                    .into(),
                language: crate::config::NdrLanguage::English,
            },
        );
    }
    let handed = Handed { user: &owner, from: &from, recipients: &recipients, mail: &stored, bare_linefeeds: false };
    deliver(state, &handed, &stored);
    Ok(accepted())
}

/// The mail with the files that were added to its draft, as one.
fn with_added(item: &Item) -> Vec<u8> {
    if item.added.is_empty() {
        return item.mime.clone();
    }
    let part = crate::mime::Part::parse(&item.mime);
    let boundary = format!("_{}_", hex(&random_bytes(12)));
    let (mut outer, mut inner) = (Vec::new(), Vec::new());
    let mut of_body = false;
    for line in part.header.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            of_body = String::from_utf8_lossy(line).to_ascii_lowercase().starts_with("content-");
        }
        if of_body { inner.extend_from_slice(line) } else { outer.extend_from_slice(line) }
    }
    let mut whole = outer;
    whole.extend(format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n").bytes());
    whole.extend(inner);
    whole.extend(b"\r\n");
    whole.extend_from_slice(part.body);
    for file in &item.added {
        whole.extend(format!("\r\n--{boundary}\r\n{}\r\n{}", header_of(file), encode_lines(&file.bytes)).bytes());
    }
    whole.extend(format!("\r\n--{boundary}--\r\n").bytes());
    whole
}

fn header_of(file: &Added) -> String {
    let name = encode_header(&file.name);
    let (disposition, id) = match &file.content_id {
        Some(id) => ("inline", format!("Content-ID: <{id}>\r\n")),
        None => ("attachment", String::new()),
    };
    format!(
        "Content-Type: {}; name=\"{name}\"\r\nContent-Disposition: {disposition}; filename=\"{name}\"\r\n{id}\
         Content-Transfer-Encoding: base64\r\n",
        file.content_type
    )
}

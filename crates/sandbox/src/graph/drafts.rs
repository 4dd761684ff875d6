//! Drafts: made from MIME, read, changed, deleted, and found by their Message-ID in a folder.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::Response;
use poem::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};

use super::Answered;
use super::access::Asked;
use super::answers::{GraphError, empty, json_answer};
use super::items::{Item, Kept};
use crate::html::Parameters;
use crate::mime::{Part, first_address};
use crate::smtp::{outlook_message_id, with_message_id, without_field};
use crate::state::State;

/// The folder that IMAP shows drafts in.
pub(super) const DRAFTS: &str = "Drafts";

/// The MIME of a body that says it is text/plain and is base64 ("Use Microsoft Graph to send Outlook messages using MIME format").
pub(super) fn mime_of(headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>, GraphError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("text/plain") {
        return Err(GraphError::bad_request("The sandbox makes drafts of MIME only."));
    }
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(&text).map_err(|_| {
        GraphError::new(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
    })
}

/// What Exchange makes of MIME that is handed in this way: `Auto-Submitted` is taken out (redaxo#6590, msgraph-sdk-dotnet#2209), From is
/// the mailbox (EmailEngine), a Message-ID is given where there is none.
pub(super) fn taken_in(state: &State, mailbox: &str, mime: &[u8]) -> Vec<u8> {
    let mime = without_field(&without_field(mime, "Auto-Submitted"), "From");
    let owner = state.directory().user(mailbox).cloned();
    let name = owner.as_ref().map(|user| user.display_name.as_str()).unwrap_or_default();
    let address = owner.as_ref().map_or(mailbox, |user| user.primary_address());
    let mut taken = format!("From: \"{name}\" <{address}>\r\n").into_bytes();
    taken.extend(mime);
    if crate::mime::message_id(&taken).is_none() {
        taken = with_message_id(&taken, &outlook_message_id(), None);
    }
    taken
}

pub(super) fn create(state: &State, asked: &Asked, headers: &HeaderMap, body: &[u8]) -> Answered {
    let mime = taken_in(state, &asked.mailbox, &mime_of(headers, body)?);
    let uid = state.mailbox_of(&asked.mailbox).append_with(DRAFTS, &mime, &["\\Draft"], None);
    let item = Item { shown: Some((DRAFTS.to_owned(), uid)), ..Item::draft(&asked.mailbox, mime) };
    let answer = json_answer(StatusCode::CREATED, &shown(&item, asked.immutable, None));
    state.items.add(item);
    Ok(answer)
}

pub(super) fn read(state: &State, asked: &Asked, id: &str, query: &Parameters) -> Answered {
    let item = state.items.get(&asked.mailbox, id).ok_or_else(GraphError::not_found)?;
    Ok(json_answer(StatusCode::OK, &shown(&item, asked.immutable, query.get("$select"))))
}

/// `from` and the recipients of a draft can be set; nothing of what was sent can.
pub(super) fn update(state: &State, asked: &Asked, id: &str, body: &[u8]) -> Answered {
    let item = state.items.get(&asked.mailbox, id).ok_or_else(GraphError::not_found)?;
    if item.kept != Kept::Drafts {
        return Err(GraphError::new(400, "ErrorInvalidPropertySet", "Set action is invalid for property."));
    }
    let change: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| GraphError::bad_request("Unable to read JSON request payload."))?;
    for (name, value) in &change {
        match name.as_str() {
            "from" => {
                let address = value["emailAddress"]["address"].as_str();
                let address = address.ok_or_else(|| GraphError::bad_request("from has no address."))?.to_owned();
                let named = value["emailAddress"]["name"].as_str().unwrap_or_default().to_owned();
                state.items.change(&item.immutable, |item| {
                    let mut mime = format!("From: {} <{address}>\r\n", crate::mime::encode_header(&named)).into_bytes();
                    mime.extend(without_field(&item.mime, "From"));
                    item.mime = mime;
                    item.from = Some(address);
                });
            }
            other => return Err(GraphError::bad_request(&format!("The sandbox cannot set {other}."))),
        }
    }
    let item = state.items.get(&asked.mailbox, id).ok_or_else(GraphError::not_found)?;
    Ok(json_answer(StatusCode::OK, &shown(&item, asked.immutable, None)))
}

pub(super) fn delete(state: &State, asked: &Asked, id: &str) -> Answered {
    let item = state.items.get(&asked.mailbox, id).ok_or_else(GraphError::not_found)?;
    if let Some((folder, uid)) = &item.shown {
        state.mailbox_of(&asked.mailbox).expunge(folder, *uid);
    }
    state.items.remove(&item.immutable);
    Ok(empty(StatusCode::NO_CONTENT))
}

pub(super) fn folder(state: &State, asked: &Asked, name: &str) -> Answered {
    let kept = [Kept::Drafts, Kept::Sent].into_iter().find(|kept| kept.is_called(name));
    let kept = kept.ok_or_else(GraphError::not_found)?;
    let count = state.items.of(&asked.mailbox, kept).len();
    Ok(json_answer(StatusCode::OK, &json!({"id": kept.folder_id(), "displayName": name, "totalItemCount": count})))
}

/// `$filter=internetMessageId eq '<…>'`, and no other.
pub(super) fn list(state: &State, asked: &Asked, name: &str, query: &Parameters) -> Answered {
    let kept = [Kept::Drafts, Kept::Sent].into_iter().find(|kept| kept.is_called(name));
    let kept = kept.ok_or_else(GraphError::not_found)?;
    let wanted = match query.get("$filter") {
        None => None,
        Some(filter) => {
            let id = filter.strip_prefix("internetMessageId eq '").and_then(|rest| rest.strip_suffix('\''));
            Some(
                id.ok_or_else(|| {
                    GraphError::new(
                        400,
                        "ErrorInvalidUrlQueryFilter",
                        "The query filter contains one or more invalid nodes.",
                    )
                })?
                .replace("''", "'"),
            )
        }
    };
    let found: Vec<Value> = state
        .items
        .of(&asked.mailbox, kept)
        .iter()
        .filter(|item| wanted.as_ref().is_none_or(|id| item.message_id() == *id))
        .map(|item| shown(item, asked.immutable, query.get("$select")))
        .collect();
    Ok(json_answer(StatusCode::OK, &json!({"value": found})))
}

/// A message as JSON, with what `$select` names and its id.
fn shown(item: &Item, immutable: bool, select: Option<&str>) -> Value {
    let part = Part::parse(&item.mime);
    let people = |field: &str| -> Vec<Value> {
        item.recipients(field).iter().map(|address| json!({"emailAddress": {"address": address}})).collect()
    };
    let from = part.field("From").and_then(first_address);
    let all = json!({
        "isDraft": item.kept == Kept::Drafts,
        "internetMessageId": item.message_id(),
        "parentFolderId": item.kept.folder_id(),
        "subject": part.text_field("Subject"),
        "from": {"emailAddress": {"address": from}},
        "toRecipients": people("To"),
        "ccRecipients": people("Cc"),
        "bccRecipients": people("Bcc"),
        "hasAttachments": !item.added.is_empty() || !part.attachments().is_empty(),
    });
    let mut message = Map::new();
    message.insert("@odata.etag".into(), json!("W/\"CQAAABYAAAA\""));
    message.insert("id".into(), json!(item.id(immutable)));
    let wanted: Option<Vec<&str>> = select.map(|select| select.split(',').map(str::trim).collect());
    for (name, value) in all.as_object().into_iter().flatten() {
        if wanted.as_ref().is_none_or(|wanted| wanted.contains(&name.as_str())) {
            message.insert(name.clone(), value.clone());
        }
    }
    Value::Object(message)
}

/// 202 has nothing in it.
pub(super) fn accepted() -> Response {
    empty(StatusCode::ACCEPTED)
}

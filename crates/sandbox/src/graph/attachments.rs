//! Files added to a draft: small ones as JSON, large ones in pieces to an address of their own ("Attach large files to Outlook messages").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::access::Asked;
use super::answers::{GraphError, json_answer};
use super::items::{Added, Item, Kept, Upload};
use super::{Answered, UPLOADS};
use crate::ambient::random_token;
use crate::state::{State, lock};

/// 150 MB.
const LARGEST: usize = 150 * 1024 * 1024;

fn draft(state: &State, asked: &Asked, id: &str) -> Result<Item, GraphError> {
    let item = state.items.get(&asked.mailbox, id).ok_or_else(GraphError::not_found)?;
    if item.kept == Kept::Drafts { Ok(item) } else { Err(GraphError::bad_request("The item was sent already.")) }
}

fn file_of(value: &Value, bytes: Vec<u8>) -> Result<Added, GraphError> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let name = text("name").ok_or_else(|| GraphError::bad_request("name is required."))?;
    let content_type = text("contentType").unwrap_or_else(|| "application/octet-stream".to_owned());
    let content_id = text("contentId").filter(|_| value["isInline"] == json!(true));
    Ok(Added { name, content_type, content_id, bytes })
}

pub(super) fn add(state: &State, asked: &Asked, id: &str, body: &[u8]) -> Answered {
    let item = draft(state, asked, id)?;
    let value: Value =
        serde_json::from_slice(body).map_err(|_| GraphError::bad_request("Unable to read JSON request payload."))?;
    if value["@odata.type"] != json!("#microsoft.graph.fileAttachment") {
        return Err(GraphError::bad_request("The sandbox takes file attachments only."));
    }
    let bytes = value["contentBytes"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let file = file_of(&value, bytes.ok_or_else(|| GraphError::bad_request("contentBytes is not base64."))?)?;
    let (name, size) = (file.name.clone(), file.bytes.len());
    state.items.change(&item.immutable, |item| item.added.push(file));
    Ok(json_answer(StatusCode::CREATED, &json!({"id": random_token(30), "name": name, "size": size})))
}

pub(super) fn create_session(state: &State, asked: &Asked, id: &str, body: &[u8]) -> Answered {
    let item = draft(state, asked, id)?;
    let value: Value =
        serde_json::from_slice(body).map_err(|_| GraphError::bad_request("Unable to read JSON request payload."))?;
    let about = &value["AttachmentItem"];
    let size = about["size"].as_u64().and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
    let size = size.ok_or_else(|| GraphError::bad_request("AttachmentItem has no size."))?;
    if about["attachmentType"] != json!("file") {
        return Err(GraphError::bad_request("attachmentType must be file."));
    }
    if size > LARGEST {
        return Err(GraphError::new(400, "ErrorAttachmentSizeLimitExceeded", "The attachment is larger than 150 MB."));
    }
    let session = random_token(40);
    let file = file_of(about, Vec::with_capacity(size))?;
    lock(&state.items.uploads).push(Upload { session: session.clone(), item: item.immutable, file, size });
    let answer = json!({
        "uploadUrl": format!("{}{UPLOADS}{session}", state.login_url),
        "expirationDateTime": "2030-01-01T00:00:00.0000000Z",
        "nextExpectedRanges": ["0-"],
    });
    Ok(json_answer(StatusCode::CREATED, &answer))
}

/// One piece; `None`: it is too long. An Authorization header is an error here: the address itself is the permission.
pub(super) fn put(state: &State, session: &str, headers: &HeaderMap, body: Option<&[u8]>) -> Answered {
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(GraphError::new(401, "InvalidAudienceForResource", "Do not specify an Authorization header."));
    }
    let Some(body) = body else {
        return Err(GraphError::new(413, "RequestEntityTooLarge", "A piece must be smaller than 4 MB."));
    };
    let mut uploads = lock(&state.items.uploads);
    let at = uploads.iter().position(|upload| upload.session == session).ok_or_else(GraphError::not_found)?;
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(read_range);
    let upload = &mut uploads[at];
    let here = upload.file.bytes.len();
    if range != Some((here, here + body.len(), upload.size)) || body.is_empty() || here + body.len() > upload.size {
        let message = format!("The Content-Range does not fit: {here}- of {} is expected.", upload.size);
        return Err(GraphError::new(416, "ErrorInvalidRange", &message));
    }
    upload.file.bytes.extend_from_slice(body);
    if upload.file.bytes.len() < upload.size {
        let next = format!("{}-", upload.file.bytes.len());
        let answer = json!({"expirationDateTime": "2030-01-01T00:00:00.0000000Z", "nextExpectedRanges": [next]});
        return Ok(json_answer(StatusCode::OK, &answer));
    }
    let done = uploads.remove(at);
    drop(uploads);
    state.items.change(&done.item, |item| item.added.push(done.file)).ok_or_else(GraphError::not_found)?;
    Ok(json_answer(StatusCode::CREATED, &json!({})))
}

/// `bytes 0-327679/1000000` as (begin, end behind the last, all).
fn read_range(value: &str) -> Option<(usize, usize, usize)> {
    let (range, all) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse::<usize>().ok()? + 1, all.parse().ok()?))
}

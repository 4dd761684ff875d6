//! The mail half of Microsoft Graph that sending needs: drafts, their attachments, sending them, and looking at what became of them.
//!
//! Each call is held by what Microsoft Learn says of it ("Microsoft Graph REST API v1.0": message, attachment, user: sendMail; "Get
//! immutable identifiers for Outlook resources"; "Attach large files to Outlook messages"), or by what users of Graph have posted, where the
//! file says so. The answer to everything else is 404. It is served by the sign-in service's listener.

mod access;
mod answers;
mod attachments;
mod drafts;
mod items;
mod sending;

use std::sync::Arc;

use poem::http::{Method, StatusCode, header};
use poem::{Body, Request, Response};

use self::access::{Asked, Mail};
use self::answers::{GraphError, error_answer, with_ids};
pub(crate) use self::items::Items;
use crate::faults::{GraphFault, GraphPoint};
use crate::html::Parameters;
use crate::journal::Event;
use crate::state::{Server, State};

/// Where upload sessions lead to; at Microsoft it is a host of its own that takes no Authorization.
pub(crate) const UPLOADS: &str = "/graph-upload/";
/// "The maximum request length supported is 4MB" (Microsoft Learn, "Use Microsoft Graph to send mail", and its 413).
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// Requests of one app to one mailbox at a time ("Outlook service limits").
const CONCURRENT: usize = 4;

/// An answer, or the error that Graph words.
type Answered = Result<Response, GraphError>;

pub(crate) async fn handle(state: &Arc<State>, mut request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query = Parameters::of_query(&request);
    let method = request.method().clone();
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
    let body = request.take_body().into_bytes_limit(BODY_LIMIT).await.map(|bytes| bytes.to_vec());
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    let call = format!("{method} {path}");
    if let ["graph-upload", session] = names.as_slice() {
        let answer = planned(state, None, GraphPoint::UploadChunk, || {
            attachments::put(state, session, request.headers(), body.as_deref().ok())
        });
        return noted(state, None, call, answer.await);
    }
    let asked = match Asked::of(state, request.headers(), &names) {
        Ok(asked) => asked,
        Err(error) => return noted(state, None, call, error_answer(&error)),
    };
    let user = Some(asked.user.address.clone());
    let Some((point, _)) = point_of(&method, &asked) else {
        return noted(state, user, call, error_answer(&GraphError::unknown_path()));
    };
    let Some(_place) = state.take_place(Server::Graph, &asked.mailbox, CONCURRENT) else {
        let error = GraphError::new(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.");
        return noted(state, user, call, error_answer(&error));
    };
    let answer = planned(state, user.as_deref(), point, || match &body {
        Err(_) => Err(GraphError::new(413, "RequestEntityTooLarge", "The maximum request length supported is 4MB.")),
        Ok(body) => carry_out(state, &method, &asked, &query, request.headers(), body),
    });
    let answer = answer.await;
    noted(state, user, call, answer)
}

fn noted(state: &State, user: Option<String>, call: String, answer: Response) -> Response {
    state.journal.note(Event::GraphCalled { user, call, status: answer.status().as_u16() });
    with_ids(answer)
}

/// What a call is, and which right it needs beside a token for Graph.
fn point_of(method: &Method, asked: &Asked) -> Option<(GraphPoint, Mail)> {
    let (get, post) = (method == Method::GET, method == Method::POST);
    let rest: Vec<&str> = asked.rest.iter().map(String::as_str).collect();
    Some(match rest.as_slice() {
        [] if get => (GraphPoint::Me, Mail::Profile),
        ["messages"] if post => (GraphPoint::CreateDraft, Mail::Write),
        ["messages", _] if get => (GraphPoint::ReadMessage, Mail::Write),
        ["messages", _] if method == Method::PATCH => (GraphPoint::UpdateDraft, Mail::Write),
        ["messages", _] if method == Method::DELETE => (GraphPoint::DeleteMessage, Mail::Write),
        ["messages", _, "attachments"] if post => (GraphPoint::AddAttachment, Mail::Write),
        ["messages", _, "attachments", "createUploadSession"] if post => (GraphPoint::CreateUploadSession, Mail::Write),
        ["messages", _, "send"] if post => (GraphPoint::Send, Mail::Send),
        ["sendMail"] if post => (GraphPoint::SendMail, Mail::Send),
        ["mailFolders", _] | ["mailFolders", _, "messages"] if get => (GraphPoint::Folder, Mail::Write),
        _ => return None,
    })
}

fn carry_out(
    state: &State,
    method: &Method,
    asked: &Asked,
    query: &Parameters,
    headers: &poem::http::HeaderMap,
    body: &[u8],
) -> Answered {
    let (_, right) = point_of(method, asked).ok_or_else(GraphError::unknown_path)?;
    asked.may(state, right)?;
    let rest: Vec<&str> = asked.rest.iter().map(String::as_str).collect();
    match rest.as_slice() {
        [] => Ok(access::me(asked)),
        ["messages"] => drafts::create(state, asked, headers, body),
        ["messages", id] if method == Method::GET => drafts::read(state, asked, id, query),
        ["messages", id] if method == Method::PATCH => drafts::update(state, asked, id, body),
        ["messages", id] => drafts::delete(state, asked, id),
        ["messages", id, "attachments"] => attachments::add(state, asked, id, body),
        ["messages", id, "attachments", _] => attachments::create_session(state, asked, id, body),
        ["messages", id, "send"] => sending::send(state, asked, id, headers, body),
        ["sendMail"] => sending::send_mail(state, asked, headers, body),
        ["mailFolders", name] => drafts::folder(state, asked, name),
        ["mailFolders", name, "messages"] => drafts::list(state, asked, name, query),
        _ => Err(GraphError::unknown_path()),
    }
}

/// Does it, unless a fault is in the way.
async fn planned(state: &Arc<State>, user: Option<&str>, point: GraphPoint, act: impl Fn() -> Answered) -> Response {
    let fault = state.faults.take_graph(user, |fault| (fault.point() == Some(point)).then(|| fault.clone()));
    let acted = || act().unwrap_or_else(|error| error_answer(&error));
    match fault {
        None | Some(GraphFault::BounceLater) => acted(),
        Some(GraphFault::Answer { status, code, message, retry_after_seconds, .. }) => {
            let mut answer = error_answer(&GraphError::new(status, &code, &message));
            if let Some(seconds) = retry_after_seconds {
                answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            answer
        }
        Some(GraphFault::Html { status, .. }) => Response::builder()
            .status(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
            .header(header::CONTENT_TYPE, "text/html")
            .body("<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"),
        Some(GraphFault::Repeated(_)) => {
            acted();
            acted()
        }
        Some(GraphFault::DoneAndUnavailable(_)) => {
            acted();
            let message = "The service is temporarily unavailable.";
            error_answer(&GraphError::new(503, "serviceNotAvailable", message))
        }
        Some(GraphFault::EmptyOk(_)) => Response::builder().status(StatusCode::OK).finish(),
        Some(GraphFault::AnswerLost { carried_out, .. }) => {
            if carried_out {
                acted();
            }
            // More is announced than ever comes.
            let broken = futures_util::stream::once(async {
                let lost = "the answer is lost on its way";
                Err::<Vec<u8>, _>(std::io::Error::new(std::io::ErrorKind::ConnectionReset, lost))
            });
            Response::builder()
                .status(StatusCode::ACCEPTED)
                .header(header::CONTENT_LENGTH, 64)
                .body(Body::from_bytes_stream(broken))
        }
        Some(GraphFault::Stall { carried_out, .. }) => {
            if carried_out {
                acted();
            }
            state.ended.cancelled().await;
            Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).finish()
        }
    }
}

/// A segment of a path without its percent signs.
fn decoded(segment: &str) -> String {
    let pair = format!("x={}", segment.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

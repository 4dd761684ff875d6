//! The page on which one plays the customer: writes to a support mailbox, reads what came back, answers it.
//!
//! Plain HTML, no scripts. What it sends goes the way of any mail from outside: raw bytes into the INBOX of the address.

mod bad_days;
mod compose;
mod pages;
mod registrations;

use std::sync::Arc;

use poem::http::{Method, StatusCode, header};
use poem::web::Multipart;
use poem::{FromRequest as _, Request, RequestBody, Response};
use tokio::net::TcpListener;

use self::compose::{File, Letter};
use crate::entra::serve_http;
use crate::html::{self, Parameters};
use crate::mailbox::{INBOX, StoredMail};
use crate::mime::Part;
use crate::state::State;

pub(crate) async fn serve(state: Arc<State>, listener: TcpListener) {
    let ended = state.ended.clone();
    let endpoint = poem::endpoint::make(move |request: Request| {
        let state = Arc::clone(&state);
        async move { handle(&state, request).await }
    });
    serve_http(listener, endpoint, ended).await;
}

async fn handle(state: &State, mut request: Request) -> Response {
    let asked = Parameters::of_query(&request);
    let path = request.uri().path().to_owned();
    match (request.method().clone(), path.as_str()) {
        (Method::GET, "/") => pages::front(state),
        (Method::GET, "/inbox") => match asked.get("who") {
            Some(who) => pages::inbox(state, who, asked.get("sent").is_some()),
            None => html::redirect("/"),
        },
        (Method::GET, "/mail") => with_mail(state, &asked, |who, mail| pages::mail(state, who, mail)),
        (Method::GET, "/raw") => with_mail(state, &asked, |_, mail| {
            Response::builder()
                .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
                .header("X-Content-Type-Options", "nosniff")
                .body(mail.bytes.to_vec())
        }),
        (Method::GET, "/file") => with_mail(state, &asked, |_, mail| file(mail, asked.get("number"))),
        (Method::GET, "/bad-day") => pages::bad_day(state),
        (Method::POST, "/bad-day") => match asked.get("what") {
            Some("none") => {
                state.faults.clear();
                html::redirect("/bad-day")
            }
            Some(what) if bad_days::begin(&state.faults, what) => html::redirect("/bad-day"),
            _ => Response::builder().status(StatusCode::NOT_FOUND).finish(),
        },
        (Method::GET, registrations::PATH) => pages::app_registrations(state),
        (Method::POST, registrations::PATH) => {
            registrations::register(state);
            registrations::back()
        }
        (Method::POST, "/app-registrations/expire") => of_app(&asked, |id| registrations::expire(state, id)),
        (Method::POST, "/app-registrations/secret") => of_app(&asked, |id| registrations::give_secret(state, id)),
        (Method::POST, "/send") => {
            let mut body = RequestBody::new(request.take_body());
            match Multipart::from_request(&request, &mut body).await {
                Ok(form) => send(state, form).await,
                Err(_) => pages::complaint("The form could not be read."),
            }
        }
        _ => Response::builder().status(StatusCode::NOT_FOUND).finish(),
    }
}

fn of_app(asked: &Parameters, change: impl FnOnce(&str) -> bool) -> Response {
    match asked.get("client_id").is_some_and(change) {
        true => registrations::back(),
        false => Response::builder().status(StatusCode::NOT_FOUND).body("There is no such app."),
    }
}

fn with_mail(state: &State, asked: &Parameters, show: impl FnOnce(&str, &StoredMail) -> Response) -> Response {
    let found =
        asked.get("who").zip(asked.get("uid").and_then(|uid| uid.parse::<u32>().ok())).and_then(|(who, uid)| {
            let mails = state.mailboxes.get(who)?.messages(INBOX);
            Some((who, mails.into_iter().find(|mail| mail.uid == uid)?))
        });
    match found {
        Some((who, mail)) => show(who, &mail),
        None => Response::builder().status(StatusCode::NOT_FOUND).body("There is no such mail."),
    }
}

fn file(mail: &StoredMail, number: Option<&str>) -> Response {
    let attachments = Part::parse(&mail.bytes).attachments();
    let Some(found) = number.and_then(|number| attachments.into_iter().nth(number.parse().ok()?)) else {
        return Response::builder().status(StatusCode::NOT_FOUND).finish();
    };
    let name: String =
        found.name.chars().map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' }).collect();
    Response::builder()
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
        .header("X-Content-Type-Options", "nosniff")
        .body(found.bytes)
}

async fn send(state: &State, mut form: Multipart) -> Response {
    let mut letter = Letter::default();
    let mut source = String::new();
    while let Ok(Some(field)) = form.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "attachment" {
            let file_name = field.file_name().unwrap_or_default().to_owned();
            let content_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
            let Ok(bytes) = field.bytes().await else { return pages::complaint("The attachment could not be read.") };
            // A browser sends an empty file when none was chosen.
            if !file_name.is_empty() {
                letter.files.push(File { name: file_name, content_type, bytes });
            }
            continue;
        }
        let Ok(value) = field.text().await else { return pages::complaint("The form could not be read.") };
        match name.as_str() {
            "from" => letter.from = value.trim().to_owned(),
            "to" => letter.to = value.trim().to_owned(),
            "subject" => letter.subject = value,
            "text" => letter.text = value,
            "in_reply_to" => letter.in_reply_to = Some(value).filter(|value| !value.is_empty()),
            "references" => letter.references = value,
            "quote" => letter.quote = value,
            // A mail as another program wrote it, headers and all; for whoever tries out what the form cannot write.
            "source" => source = value.replace("\r\n", "\n").replace('\n', "\r\n"),
            _ => {}
        }
    }
    if !compose::is_address(&letter.from) || !compose::is_address(&letter.to) {
        return pages::complaint("Both addresses are needed, in the form somebody@example.");
    }
    let raw = if source.is_empty() { compose::raw(&letter, state.clock.now()) } else { source.into_bytes() };
    let customer = state.mailbox_of(&letter.from);
    customer.append_with("Sent", &raw, &["\\Seen"], None);
    state.mailbox_of(&letter.to).append(INBOX, &raw);
    let who: String = url::form_urlencoded::byte_serialize(letter.from.as_bytes()).collect();
    // 303: the browser follows with GET, and a reload does not send again.
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, format!("/inbox?who={who}&sent=1"))
        .finish()
}

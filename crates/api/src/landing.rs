//! `GET /`: a browser goes on to the agents' page; whoever else asks, or where that page is not built in, is told what this is.

use crate::auth::caller_by_session;
use crate::dashboard;
use crate::html::{Page, Tone};
use app::App;
use poem::http::header;
use poem::web::{Data, Redirect};
use poem::{IntoResponse, Request, Response, handler};

#[handler]
pub async fn landing(request: &Request, Data(app): Data<&App>) -> Response {
    let is_browser = request.header(header::ACCEPT).is_some_and(|types| types.contains("text/html"));
    if is_browser && dashboard::is_built_in() {
        return Redirect::see_other("/app/").into_response();
    }
    let page = Page::new("Postroom is running", Tone::Good)
        .text("The e-mail channel of a helpdesk: mailboxes become inboxes, their mail becomes conversations, and answers leave through the same mailbox.");
    let page = match caller_by_session(app, request).await {
        Some(caller) => page.fact("Signed in as", &caller.user.email),
        None => page.fact("Signed in as", "nobody in this browser"),
    };
    page.fact("API", "Chatwoot's paths and shapes under /api/v1; the reference below can be tried out from here.")
        .link("API reference", "/docs")
        .link("The agents' page", "/app/")
        .into_response()
}

//! `GET /`: what this is and where to go on, until the dashboard takes the place.

use crate::auth::caller_by_session;
use crate::html::{Page, Tone};
use app::App;
use poem::web::Data;
use poem::{Request, Response, handler};

#[handler]
pub async fn landing(request: &Request, Data(app): Data<&App>) -> Response {
    let page = Page::new("Postroom is running", Tone::Good)
        .text("The e-mail channel of a helpdesk: mailboxes become inboxes, their mail becomes conversations, and answers leave through the same mailbox.");
    let page = match caller_by_session(app, request).await {
        Some(caller) => page.fact("Signed in as", &caller.user.email),
        None => page.fact("Signed in as", "nobody in this browser"),
    };
    page.fact("API", "Chatwoot's paths and shapes under /api/v1; the reference below can be tried out from here.")
        .link("API reference", "/docs")
        .aside("The dashboard will stand here. Until then, everything is done through the API.")
        .into_response()
}

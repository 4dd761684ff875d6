//! `GET /.well-known/microsoft-identity-association.json`: that this domain belongs to the installation's app registration.
//!
//! Microsoft asks for it when the app's publisher domain is set ("Configure an app's publisher domain"), wants the type
//! `application/json` alone, and follows no redirect. Accounts' own apps have publishers of their own, and are not in it.

use app::App;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Response, handler};
use serde_json::json;

#[handler]
pub fn association(Data(app): Data<&App>) -> Response {
    let Some(microsoft) = app.microsoft() else { return StatusCode::NOT_FOUND.into() };
    let body = json!({ "associatedApplications": [{ "applicationId": microsoft.client_id() }] });
    Response::builder()
        .content_type("application/json")
        .header(header::CACHE_CONTROL, "public, max-age=300")
        .body(body.to_string())
}

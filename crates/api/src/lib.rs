//! The public face: Chatwoot's API over HTTP, the few pages the server renders, and the API's own document.
//!
//! Every operation takes [`auth::Auth`] first, enters the account with it, calls one use case of `app`, and shows the result in a shape
//! of `wire`. Refusals are [`error::Problem`]s in one body. This crate holds no business rule and no SQL.

mod agents;
mod auth;
mod body_limit;
mod connect;
mod connection_pages;
mod connections;
mod contacts;
mod conversation_query;
mod conversations;
mod cookies;
mod docs;
mod download;
mod envelope;
mod error;
mod failure_page;
mod health;
mod html;
mod inboxes;
mod landing;
mod message_body;
mod messages;
mod microsoft_callback;
mod optional_json;
mod profile;
mod refusals;
mod same_origin;
mod session;
mod shape;
mod tags;

pub use health::{Missing, Readiness};

use app::App;
use body_limit::BodyLimit;
use envelope::Envelope;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, IntoEndpoint, Response, Route, get, post};
use poem_openapi::OpenApiService;
use std::sync::Arc;

/// What is shown as the version, in the API and in its document.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the routes are made of.
#[derive(Clone)]
pub struct ApiConfig {
    pub app: App,
    /// What must be there before requests can be served, beside the database, which is asked always.
    pub readiness: Option<Readiness>,
}

impl ApiConfig {
    pub fn new(app: App) -> Self {
        Self { app, readiness: None }
    }
}

type Apis = (
    session::SessionApi,
    profile::ProfileApi,
    agents::AgentsApi,
    inboxes::InboxesApi,
    connections::ConnectionsApi,
    conversations::ConversationsApi,
    messages::MessagesApi,
    contacts::ContactsApi,
);

fn service() -> OpenApiService<Apis, ()> {
    let apis: Apis = (
        session::SessionApi,
        profile::ProfileApi,
        agents::AgentsApi,
        inboxes::InboxesApi,
        connections::ConnectionsApi,
        conversations::ConversationsApi,
        messages::MessagesApi,
        contacts::ContactsApi,
    );
    OpenApiService::new(apis, "Postroom", VERSION).description(include_str!("description.md")).server("/")
}

/// The API's document: pretty-printed, and the same text for the same code. Committed as `openapi/openapi.json`.
pub fn openapi_json() -> String {
    // poem-openapi names the charset too; makers of clients look for the bare type, which RFC 8259 §11 says has no parameters.
    let mut text = service()
        .spec()
        .replace("application/json; charset=utf-8", "application/json")
        .replace("\"description\": \"\"", "\"description\": \"Done.\"");
    text.push('\n');
    text
}

/// Everything that is served.
pub fn routes(config: ApiConfig) -> BoxEndpoint<'static, Response> {
    let ApiConfig { app, readiness } = config;
    let service = service();
    let documents = Arc::new(docs::Documents { json: openapi_json(), page: service.swagger_ui_html() });
    let upload_bytes = u64::try_from(app.settings().max_upload_bytes).unwrap_or(u64::MAX);
    let entropy_of = app.clone();
    let ready = health::with_database(app.clone(), readiness);
    let routes = Route::new()
        .at("/", get(landing::landing))
        .at("/docs", get(docs::page))
        .at("/swagger", get(docs::page))
        .at("/openapi.json", get(docs::document))
        .at("/health/live", get(health::live))
        .at("/health/ready", get(health::ready))
        .at("/attachments/:token", get(download::download))
        .at("/attachments/:token/:name", get(download::download_named))
        .at("/microsoft/connect/:link", get(connect::connect).head(connect::nothing))
        .at("/microsoft/callback", get(microsoft_callback::returned).head(connect::nothing))
        .at("/microsoft/callback/confirm", post(microsoft_callback::confirmed))
        .at("/microsoft/callback/address", post(microsoft_callback::address_told))
        .at("/microsoft/connections/:token", get(microsoft_callback::followed))
        .nest_no_strip("/api", service.into_endpoint())
        .nest_no_strip("/auth", self::service().into_endpoint())
        .data(app)
        .data(documents)
        .data(ready);
    Envelope::new(BodyLimit::new(routes, upload_bytes), entropy_of).boxed()
}

//! The public face: Chatwoot's API over HTTP, the few pages the server renders, and the API's own document.
//!
//! Every operation takes [`auth::Auth`] first, enters the account with it, calls one use case of `app`, and shows the result in a shape
//! of `wire`. Refusals are [`error::Problem`]s in one body. This crate holds no business rule and no SQL.

mod accounts;
mod agents;
mod attention;
mod audit_logs;
mod auth;
mod body_limit;
mod call_limit;
mod canned_responses;
mod client_address;
mod connect;
mod connect_link_page;
mod connect_links;
mod connecting_refusals;
mod connection_pages;
mod connections;
mod contact_details;
mod contacts;
mod conversation_marks;
mod conversation_people;
mod conversation_query;
mod conversations;
mod conversations_many;
mod cookies;
mod custom_attributes;
mod custom_filters;
mod dashboard;
mod desk_refusals;
mod docs;
mod download;
mod envelope;
mod error;
mod events;
mod failure_page;
mod form_text;
mod from_address;
mod health;
mod help;
mod html;
mod inbox_health;
mod inboxes;
mod labels;
mod landing;
mod left_behind;
mod message_body;
mod messages;
mod methods;
mod microsoft_callback;
mod microsoft_identity;
mod no_nul;
mod notifications;
mod oauth_apps;
mod optional_json;
mod password;
mod profile;
mod prose;
mod refusals;
mod same_origin;
mod search;
mod send_transport;
mod session;
mod shape;
mod tags;
mod teams;
mod tokens;
mod trailing_slash;
mod waiting_pages;
mod webhook_bodies;
mod webhooks;

use app::App;
use body_limit::BodyLimit;
use call_limit::CallLimit;
use envelope::Envelope;
use methods::{Methods, Pages};
use no_nul::NoNul;
use poem::endpoint::BoxEndpoint;
use poem::{EndpointExt, IntoEndpoint, Response};
use poem_openapi::{OpenApi, OpenApiService};
use std::sync::Arc;
use trailing_slash::TrailingSlash;
pub use webhook_bodies::WebhookBodies;

/// What is shown as the version, in the API and in its document.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the routes are made of.
#[derive(Clone)]
pub struct ApiConfig {
    pub app: App,
}

impl ApiConfig {
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

fn service() -> OpenApiService<impl OpenApi, ()> {
    let people = (
        session::SessionApi,
        password::PasswordApi,
        profile::ProfileApi,
        tokens::TokensApi,
        accounts::AccountsApi,
        agents::AgentsApi,
        audit_logs::AuditLogsApi,
    );
    let apis = (
        people,
        (
            inboxes::InboxesApi,
            inbox_health::InboxHealthApi,
            (send_transport::SendTransportApi, from_address::FromAddressApi),
        ),
        (connections::ConnectionsApi, connect_links::ConnectLinksApi, oauth_apps::OauthAppsApi),
        conversations::ConversationsApi,
        messages::MessagesApi,
        contacts::ContactsApi,
        left_behind::LeftBehindApi,
        (contact_details::ContactDetailsApi, custom_attributes::CustomAttributesApi),
        search::SearchApi,
        events::EventsApi,
        (
            conversation_marks::ConversationMarksApi,
            conversation_people::ConversationPeopleApi,
            conversations_many::ConversationsManyApi,
        ),
        (labels::LabelsApi, teams::TeamsApi, canned_responses::CannedResponsesApi, custom_filters::CustomFiltersApi),
        webhooks::WebhooksApi,
        (attention::AttentionApi, notifications::NotificationsApi),
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
    let ApiConfig { app } = config;
    let service = service();
    let documents = Arc::new(docs::Documents { json: openapi_json(), page: service.swagger_ui_html() });
    let upload_bytes = u64::try_from(app.settings().max_upload_bytes).unwrap_or(u64::MAX);
    let (counting, entropy_of) = (app.clone(), app.clone());
    let ready = health::of(app.clone());
    let (pages, methods) = Pages::default()
        .get("/", landing::landing)
        .get("/app", dashboard::page)
        .get("/app/mail-frame", dashboard::frame)
        .get("/app/mail-frame/remote-images", dashboard::frame_with_remote_images)
        .get("/app/*path", dashboard::below)
        .get("/help", help::list)
        .get("/help/:code", help::show)
        .get("/docs", docs::page)
        .get("/swagger", docs::page)
        .get("/openapi.json", docs::document)
        .get("/.well-known/microsoft-identity-association.json", microsoft_identity::association)
        .get("/health/live", health::live)
        .get("/health/ready", health::ready)
        .get("/attachments/:token", download::download)
        .get("/attachments/:token/:name", download::download_named)
        .get_and_head("/microsoft/connect/:link", connect::connect, connect::nothing)
        .post("/microsoft/connect/:link/go_on", connect::gone_on)
        .get_and_head("/microsoft/callback", microsoft_callback::returned, connect::nothing)
        .post("/microsoft/callback/confirm", microsoft_callback::confirmed)
        .post("/microsoft/callback/address", microsoft_callback::address_told)
        .post("/microsoft/callback/try_again", microsoft_callback::tried_again)
        .get("/microsoft/connections/:token", microsoft_callback::followed)
        .post("/microsoft/callback/approval", microsoft_callback::approval_wanted)
        .post("/microsoft/callback/go_on", microsoft_callback::gone_on)
        .get_and_head("/connect/:token", connect_link_page::shown, connect::nothing)
        .post("/connect/:token/agree", connect_link_page::agreed)
        .with_operations(Methods::of_document(&documents.json));
    let operations = Arc::new(service.into_endpoint());
    let routes = pages
        .nest_no_strip("/api", operations.clone())
        .nest_no_strip("/auth", operations)
        .data(app)
        .data(documents)
        .data(ready);
    let limited = CallLimit::new(BodyLimit::new(NoNul(routes), upload_bytes), counting);
    TrailingSlash(Envelope::new(limited, entropy_of, methods)).boxed()
}

//! The JSON that Postroom speaks: Chatwoot's shapes, one resource a file, as types that also describe themselves for OpenAPI.
//!
//! Used by the API and its event stream, and made so that webhooks can render the same shapes. Conversions from the domain live
//! here. What a shape needs beyond the domain, such as a signed download link, is handed in ([`Links`]). This crate never does I/O.
//!
//! Three rules hold everywhere, because clients in typed languages fail on the first breach: whole numbers stay JSON integers, times
//! are epoch seconds with 0 for "never" where Chatwoot has them so, and a free-form object is always an object, never null or a list.

pub mod account;
pub mod agent;
pub mod attachment;
pub mod audit;
pub mod connect_link;
pub mod connection;
pub mod contact;
pub mod conversation;
pub mod conversation_change;
pub mod conversation_many;
pub mod custom_attribute;
pub mod delivery;
pub mod diagnosis;
pub mod error;
pub mod failure;
pub mod health;
pub mod inbox;
pub mod json;
pub mod message;
pub mod microsoft;
pub mod moment;
pub mod notification;
pub mod oauth_app;
pub mod one_or_many;
pub mod organising;
pub mod profile;
pub mod push;
pub mod quarantine;
pub mod search;
pub mod sender;
pub mod service;
pub mod sign_in;
pub mod token;
pub mod webhook;
pub mod webhook_body;
pub mod words;

pub use json::JsonObject;
use poem_openapi::types::ToJSON;

/// Makes the links that stand in answers. They are signed or absolute, which only the caller can do.
pub trait Links {
    /// Where this attachment is downloaded, without further credentials.
    fn attachment(&self, attachment: &domain::message::Attachment) -> String;

    /// Whether the one who is answered is in the team.
    fn is_in_team(&self, _team: domain::TeamId) -> bool {
        false
    }
}

/// A shape as a JSON value: what an event's payload or a webhook's body holds.
pub fn to_value(shape: &impl ToJSON) -> serde_json::Value {
    shape.to_json().unwrap_or_default()
}

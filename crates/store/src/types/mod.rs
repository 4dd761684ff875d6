//! What goes in and out: plain structs, one file per aggregate. Where `domain` has a word, its struct is used as it is.

mod audit;
mod channel;
mod connect_link;
mod connection;
mod contact;
mod conversation;
mod delivery;
mod filing;
mod filter;
mod grant;
mod health;
mod inbox;
mod invitations;
mod left_behind;
mod live;
mod message;
mod notification;
mod oauth_app;
mod organising;
mod owed;
mod people;
mod raw_email;
mod search;
mod sending;
mod webhook;

pub use audit::*;
pub use channel::*;
pub use connect_link::*;
pub use connection::*;
pub use contact::*;
pub use conversation::*;
pub use delivery::*;
pub use filing::*;
pub use filter::*;
pub use grant::*;
pub use health::*;
pub use inbox::*;
pub use invitations::*;
pub use left_behind::*;
pub use live::*;
pub use message::*;
pub use notification::*;
pub use oauth_app::*;
pub use organising::*;
pub use owed::*;
pub use people::*;
pub use raw_email::*;
pub use search::*;
pub use sending::*;
pub use webhook::*;

/// An enum whose variants are stored as stable text codes.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $code)] $variant,)*
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}
pub(crate) use codes;

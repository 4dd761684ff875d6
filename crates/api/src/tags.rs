//! The chapters of the API's document.

use poem_openapi::Tags;

#[derive(Clone, Copy, Debug, Tags)]
pub enum Tag {
    /// Signing in and out, and what is running here.
    Session,
    /// The signed-in user and their accounts.
    Profile,
    /// The people of an account.
    Agents,
    /// Where conversations land, and the mailboxes behind them.
    Inboxes,
    /// Connecting mailboxes through "Sign in with Microsoft".
    Connections,
    /// Threads with contacts.
    Conversations,
    /// What is said in a conversation.
    Messages,
    /// People outside.
    Contacts,
}

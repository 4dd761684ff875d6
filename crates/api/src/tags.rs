//! The chapters of the API's document.

use poem_openapi::Tags;

#[derive(Clone, Copy, Debug, Tags)]
pub enum Tag {
    /// Signing in and out, and what is running here.
    Session,
    /// The signed-in user and their accounts.
    Profile,
    /// The account itself.
    Accounts,
    /// The people of an account.
    Agents,
    /// Where conversations land, and the mailboxes behind them.
    Inboxes,
    /// Connecting mailboxes through "Sign in with Microsoft".
    Connections,
    /// App registrations of the account's own, through which its people sign in.
    OauthApps,
    /// Threads with contacts.
    Conversations,
    /// What is said in a conversation.
    Messages,
    /// People outside.
    Contacts,
    /// Looking for what was said, and for whom.
    Search,
    /// What happens, as it happens.
    Events,
    /// Words that conversations are marked with.
    Labels,
    /// Groups of agents.
    Teams,
    /// Answers that are kept for the next time.
    CannedResponses,
    /// Views that people saved.
    CustomFilters,
    /// Other programs that are told what happens.
    Webhooks,
    /// What one is told about.
    Notifications,
}

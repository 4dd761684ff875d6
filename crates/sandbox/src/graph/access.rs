//! Who asks, for whose mailbox, and with which rights (Microsoft Learn, "Microsoft Graph permissions reference": Mail).
//!
//! A token for another resource is refused with 401 whatever it permits there. Somebody else's mailbox needs the `.Shared` right and access to
//! the mailbox.

use poem::Response;
use poem::http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::answers::{GraphError, json_answer};
use crate::directory::TenantUser;
use crate::state::State;

/// A right that a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    /// `User.Read`; any other right over the user's data shows it here as well.
    Profile,
    /// `Mail.ReadWrite`.
    Write,
    /// `Mail.Send`.
    Send,
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) user: TenantUser,
    rights: Vec<String>,
    /// The mailbox's primary address.
    pub(super) mailbox: String,
    /// Nobody has such a mailbox, or it has no licence.
    missing: bool,
    /// What of the path follows the mailbox.
    pub(super) rest: Vec<String>,
    /// `Prefer: IdType="ImmutableId"`: ids are those that stay.
    pub(super) immutable: bool,
}

impl Asked {
    pub(super) fn of(state: &State, headers: &HeaderMap, segments: &[&str]) -> Result<Self, GraphError> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) else {
            return Err(GraphError::new(401, "InvalidAuthenticationToken", "Access token is empty."));
        };
        let Some((user, rights)) = state.graph_user(token) else {
            let message = "Access token validation failure. Invalid audience.";
            return Err(GraphError::new(401, "InvalidAuthenticationToken", message));
        };
        let (whose, rest) = match segments {
            ["v1.0", "me", rest @ ..] => (None, rest),
            ["v1.0", "users", whose, rest @ ..] => (Some(*whose), rest),
            _ => return Err(GraphError::unknown_path()),
        };
        let owner = match whose {
            None => Some(user.clone()),
            Some(whose) => {
                let directory = state.directory();
                let is = |held: &&TenantUser| held.is_called(whose) || held.receives(whose) || held.oid == whose;
                directory.users.iter().find(is).cloned()
            }
        };
        let missing = owner.as_ref().is_none_or(|owner| !owner.has_mailbox);
        let mailbox = owner.map_or_else(|| whose.unwrap_or_default().to_owned(), |owner| owner.address);
        let prefer = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        let immutable = prefer.into_iter().any(|value| value.replace(' ', "").contains("IdType=\"ImmutableId\""));
        let rest = rest.iter().map(|segment| (*segment).to_owned()).collect();
        Ok(Self { user, rights, mailbox, missing, rest, immutable })
    }

    fn is_own(&self) -> bool {
        self.user.is_called(&self.mailbox)
    }

    pub(super) fn may(&self, state: &State, right: Mail) -> Result<(), GraphError> {
        let name = match right {
            Mail::Profile => return Ok(()),
            Mail::Write => "Mail.ReadWrite",
            Mail::Send => "Mail.Send",
        };
        let needed = if self.is_own() { name.to_owned() } else { format!("{name}.Shared") };
        let denied = || GraphError::new(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
        if !self.rights.contains(&needed) {
            return Err(denied());
        }
        if self.missing {
            let message = "The mailbox is either inactive, soft-deleted, or is hosted on-premise.";
            return Err(GraphError::new(404, "MailboxNotEnabledForRESTAPI", message));
        }
        // What an administrator changes holds from the next call on.
        let now = state.directory().user_by_id(&self.user.tid, &self.user.oid).cloned();
        if now.is_some_and(|user| user.may_open(&self.mailbox)) { Ok(()) } else { Err(denied()) }
    }
}

pub(super) fn me(asked: &Asked) -> Response {
    let user = &asked.user;
    let body = json!({"id": user.oid, "displayName": user.display_name, "mail": user.email, "userPrincipalName": user.address});
    json_answer(StatusCode::OK, &body)
}

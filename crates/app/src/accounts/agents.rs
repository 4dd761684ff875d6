//! The people of an account. Everybody in it may see the list; administrators change it.

use super::{Member, invite};
use crate::{App, Hint, live};
use domain::account::{Availability, Role};
use domain::user::Agent;
use domain::{Secret, UserId};
use std::time::Duration;
use store::StoreError;

#[derive(Clone, Debug)]
pub struct NewAgent {
    pub name: String,
    pub email: String,
    pub role: Role,
    pub availability: Option<Availability>,
    pub auto_offline: Option<bool>,
    /// The first password of somebody who is new here. A person who has an account already keeps theirs.
    /// Without one, a new person cannot sign in until they are invited.
    pub password: Option<Secret>,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct AgentChange {
    pub role: Option<Role>,
    pub availability: Option<Availability>,
    pub auto_offline: Option<bool>,
}

#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error("only administrators manage people")]
    Forbidden,
    #[error("no such agent")]
    NotFound,
    #[error("the e-mail is not an e-mail address")]
    EmailInvalid,
    #[error("the name needs 1 to 255 characters")]
    NameInvalid,
    #[error("the password needs at least 8 characters")]
    PasswordTooShort,
    #[error("this person is in the account already")]
    AlreadyMember,
    #[error("the account has as many agents as it may have")]
    AccountFull { limit: u32 },
    /// An account without an administrator could never be managed again.
    #[error("the last administrator cannot be removed or made an agent")]
    LastAdministrator,
    /// There is nothing left to invite them to.
    #[error("this person has a password and is in the account already")]
    AlreadyConfirmed,
    /// Only a mail to their address could show that it is theirs.
    #[error("this installation sends no mail")]
    NoMailer,
    #[error("too many invitations; try again in {} seconds", .retry_after.as_secs())]
    TooManyInvitations { retry_after: Duration },
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for AgentError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub async fn list_agents(_app: &App, member: &Member) -> Result<Vec<Agent>, StoreError> {
    member.scope.agents().await
}

/// For whoever needs no link.
pub async fn create_agent(app: &App, member: &Member, new: NewAgent) -> Result<Agent, AgentError> {
    Ok(invite(app, member, new).await?.agent)
}

/// Administrators change anybody; everybody changes their own availability.
pub async fn update_agent(app: &App, member: &Member, user: UserId, change: AgentChange) -> Result<Agent, AgentError> {
    let own_availability = user == member.agent.user.id && change.role.is_none();
    if !member.may_manage_people() && !own_availability {
        return Err(AgentError::Forbidden);
    }
    let change = store::AgentChange {
        role: change.role,
        availability: change.availability,
        auto_offline: change.auto_offline,
        active_at: None,
    };
    match member.scope.update_agent(user, &change).await {
        Err(StoreError::Conflict(_)) => Err(AgentError::LastAdministrator),
        updated => {
            let agent = updated?.ok_or(AgentError::NotFound)?;
            // What they may see on a stream that is open may be another thing now.
            app.wake(Hint::Account(agent.account_id));
            live::availability_changed(app, agent.account_id);
            Ok(agent)
        }
    }
}

pub async fn remove_agent(app: &App, member: &Member, user: UserId) -> Result<(), AgentError> {
    if !member.may_manage_people() {
        return Err(AgentError::Forbidden);
    }
    match member.scope.remove_agent(user).await {
        Err(StoreError::Conflict(_)) => Err(AgentError::LastAdministrator),
        removed => {
            removed?.then_some(()).ok_or(AgentError::NotFound)?;
            app.wake(Hint::Account(member.scope.account_id()));
            live::availability_changed(app, member.scope.account_id());
            Ok(())
        }
    }
}

//! People are invited: with a mail where the installation can send one, and else with a link that the administrator hands over.

use super::agents::{AgentError, NewAgent};
use super::links::{INVITATION_LASTS, LINK_PATH};
use super::{Member, password, throttle_key};
use crate::{App, Hint};
use domain::account::Role;
use domain::user::Agent;
use domain::{EmailAddress, Secret, UserId};
use std::time::Duration;
use store::{AgentChange, Invite, LinkPurpose, Needs, NewPasswordLink, NewUser, StoreError, TokenHash};

/// Mails about invitations that one account may cause, and that one person may get from it.
const OF_ACCOUNT: (u32, Duration) = (200, Duration::from_secs(24 * 3600));
const OF_PERSON: (u32, Duration) = (5, Duration::from_secs(3600));
/// Addresses of one request.
pub const MAX_BULK: usize = 100;

/// Somebody who was invited.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub agent: Agent,
    /// Where nothing is mailed: what the administrator hands over. Shown here and never again.
    pub link: Option<Secret>,
}

/// Adds somebody, and tells them.
pub async fn invite(app: &App, member: &Member, new: NewAgent) -> Result<Invitation, AgentError> {
    invite_one(app, member, new, true).await
}

async fn invite_one(app: &App, member: &Member, new: NewAgent, alone: bool) -> Result<Invitation, AgentError> {
    if !member.may_manage_people() {
        return Err(AgentError::Forbidden);
    }
    let email = EmailAddress::parse(&new.email).ok_or(AgentError::EmailInvalid)?;
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 255 {
        return Err(AgentError::NameInvalid);
    }
    let password = match new.password {
        Some(text) if !password::is_acceptable(&text) => return Err(AgentError::PasswordTooShort),
        Some(text) => Some(password::hash(app.entropy(), text).await),
        None => None,
    };
    let invite = invite_of(app, member, alone);
    if invite.mailed {
        not_too_many(app, member, &email.key()).await?;
    }
    let user = NewUser { email, name, password };
    let place =
        AgentChange { availability: new.availability, auto_offline: new.auto_offline, ..AgentChange::default() };
    let limit = app.settings().account_agents_limit;
    let invited = match member.scope.invite_agent(&user, new.role, &place, limit, invite).await {
        Err(StoreError::LimitReached(_)) => return Err(AgentError::AccountFull { limit }),
        Err(StoreError::Conflict(_)) => return Err(AgentError::AlreadyMember),
        invited => invited?,
    };
    let link = handed_over(app, member, &invited, invite).await?;
    app.wake(Hint::Owed);
    Ok(Invitation { agent: invited.agent, link })
}

/// What became of an address of many.
#[derive(Debug)]
pub struct Refused {
    pub email: String,
    pub error: AgentError,
}

/// Adds many, each by the name before the @, as agents. What is wrong with one keeps out no other.
pub async fn invite_many(
    app: &App,
    member: &Member,
    emails: Vec<String>,
) -> Result<(Vec<Invitation>, Vec<Refused>), AgentError> {
    if !member.may_manage_people() {
        return Err(AgentError::Forbidden);
    }
    let (mut invited, mut refused) = (Vec::new(), Vec::new());
    for email in emails.into_iter().take(MAX_BULK) {
        let name = email.split('@').next().unwrap_or_default().chars().take(255).collect();
        let new = NewAgent {
            name,
            email: email.clone(),
            role: Role::Agent,
            availability: None,
            auto_offline: None,
            password: None,
        };
        match invite_one(app, member, new, false).await {
            Ok(invitation) => invited.push(invitation),
            Err(AgentError::Store(error)) => return Err(error.into()),
            Err(error) => refused.push(Refused { email, error }),
        }
    }
    Ok((invited, refused))
}

/// Sends the invitation once more, or shows another link.
pub async fn invite_again(app: &App, member: &Member, user: UserId) -> Result<Invitation, AgentError> {
    if !member.may_manage_people() {
        return Err(AgentError::Forbidden);
    }
    let invite = invite_of(app, member, true);
    let known = member.scope.agent(user).await?.ok_or(AgentError::NotFound)?;
    if known.confirmed {
        return Err(AgentError::AlreadyConfirmed);
    }
    if invite.mailed {
        not_too_many(app, member, &user.to_string()).await?;
    }
    let invited = member.scope.invite_again(user, invite).await?.ok_or(AgentError::NotFound)?;
    if invited.needs == Needs::Nothing {
        return Err(AgentError::AlreadyConfirmed);
    }
    let link = handed_over(app, member, &invited, invite).await?;
    if !invite.mailed && link.is_none() {
        return Err(AgentError::NoMailer);
    }
    app.wake(Hint::Owed);
    Ok(Invitation { agent: invited.agent, link })
}

fn invite_of(app: &App, member: &Member, alone: bool) -> Invite {
    Invite { by: member.agent.user.id, mailed: app.settings().mailer.is_some(), alone }
}

async fn not_too_many(app: &App, member: &Member, whom: &str) -> Result<(), AgentError> {
    let account = member.account.id;
    let all = throttle_key("invitations", &account.to_string());
    let one = throttle_key("invitation", &format!("{account} {whom}"));
    for (key, (most, window)) in [(one, OF_PERSON), (all, OF_ACCOUNT)] {
        let counted = app.login_throttle().attempt_within(&key, app.now(), most, window).await;
        counted.map_err(|retry_after| AgentError::TooManyInvitations { retry_after })?;
    }
    Ok(())
}

/// A link where nothing is mailed, for somebody who has no password anywhere: it must not open what another tenant gave them.
async fn handed_over(
    app: &App,
    member: &Member,
    invited: &store::Invited,
    invite: Invite,
) -> Result<Option<Secret>, StoreError> {
    if invite.mailed || invited.needs != Needs::Password {
        return Ok(None);
    }
    let user = &invited.agent.user;
    let token = oauth::random_token(app.entropy(), 32);
    let link = NewPasswordLink {
        user_id: user.id,
        purpose: LinkPurpose::Invitation,
        hash: TokenHash::of(&token),
        address_key: EmailAddress::parse(&user.email).map(|address| address.key()).unwrap_or_default(),
        expires_at: app.now().plus(INVITATION_LASTS),
        mailed: false,
    };
    member.scope.mint_password_link(&link).await?;
    Ok(Some(Secret::new(app.settings().link(&format!("{LINK_PATH}{token}")))))
}

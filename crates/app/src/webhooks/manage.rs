//! Whom an account tells: administrators' business.

use crate::App;
use crate::accounts::Member;
use domain::webhook::{
    DEFAULT_SUBSCRIPTIONS, DisabledReason, MAX_URL_CHARS, MAX_WEBHOOKS, ROTATION, SUBSCRIPTIONS, Webhook,
};
use domain::{InboxId, Secret, WebhookId};
use std::net::IpAddr;
use store::StoreError;
use url::Url;

const MAX_NAME_CHARS: usize = 255;

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("only administrators manage webhooks")]
    Forbidden,
    #[error("no such webhook")]
    NotFound,
    /// The field, and what is wrong with it.
    #[error("{0}: {1}")]
    Invalid(&'static str, String),
    #[error("the account has as many webhooks as it may have")]
    AccountFull,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug, Default)]
pub struct NewWebhook {
    pub url: String,
    pub name: Option<String>,
    pub inbox_id: Option<InboxId>,
    /// `None`: Chatwoot's default.
    pub subscriptions: Option<Vec<String>>,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    pub url: Option<String>,
    pub name: Option<Option<String>>,
    pub inbox_id: Option<Option<InboxId>>,
    pub subscriptions: Option<Vec<String>>,
    pub enabled: Option<bool>,
}

fn administrator(member: &Member) -> Result<(), WebhookError> {
    if member.may_manage_inboxes() { Ok(()) } else { Err(WebhookError::Forbidden) }
}

pub async fn list(_app: &App, member: &Member) -> Result<Vec<Webhook>, WebhookError> {
    administrator(member)?;
    Ok(member.scope.webhooks().await?)
}

pub async fn show(_app: &App, member: &Member, id: WebhookId) -> Result<Webhook, WebhookError> {
    administrator(member)?;
    member.scope.webhook(id).await?.ok_or(WebhookError::NotFound)
}

/// With its secret, which is shown here and never again.
pub async fn create(app: &App, member: &Member, new: NewWebhook) -> Result<(Webhook, Secret), WebhookError> {
    administrator(member)?;
    let secret = new_secret(app);
    let names = DEFAULT_SUBSCRIPTIONS.iter().map(|name| (*name).to_owned()).collect();
    let row = store::NewWebhook {
        inbox_id: known_inbox(member, new.inbox_id).await?,
        name: checked_name(new.name)?,
        url: checked_url(app, &new.url)?,
        subscriptions: checked_subscriptions(new.subscriptions.unwrap_or(names))?,
        secret: secret.clone(),
    };
    let made = member.scope.create_webhook(&row, MAX_WEBHOOKS).await.map_err(refused)?;
    Ok((made, secret))
}

/// One that is enabled again is told of what happened since it was disabled no more than before.
pub async fn update(app: &App, member: &Member, id: WebhookId, change: WebhookChange) -> Result<Webhook, WebhookError> {
    administrator(member)?;
    let inbox_id = match change.inbox_id {
        Some(inbox) => Some(known_inbox(member, inbox).await?),
        None => None,
    };
    let change = store::WebhookChange {
        inbox_id,
        name: change.name.map(checked_name).transpose()?,
        url: change.url.map(|url| checked_url(app, &url)).transpose()?,
        subscriptions: change.subscriptions.map(checked_subscriptions).transpose()?,
        disabled: change.enabled.map(|enabled| (!enabled).then_some(DisabledReason::ByPerson)),
    };
    member.scope.update_webhook(id, &change).await.map_err(refused)?.ok_or(WebhookError::NotFound)
}

pub async fn delete(_app: &App, member: &Member, id: WebhookId) -> Result<(), WebhookError> {
    administrator(member)?;
    if member.scope.delete_webhook(id).await? { Ok(()) } else { Err(WebhookError::NotFound) }
}

/// A new secret, shown here and never again; requests are signed with the one before as well for a day.
pub async fn rotate_secret(app: &App, member: &Member, id: WebhookId) -> Result<(Webhook, Secret), WebhookError> {
    administrator(member)?;
    let secret = new_secret(app);
    if !member.scope.rotate_webhook_secret(id, &secret, app.now().plus(ROTATION)).await? {
        return Err(WebhookError::NotFound);
    }
    Ok((show(app, member, id).await?, secret))
}

fn new_secret(app: &App) -> Secret {
    Secret::new(oauth::random_token(app.entropy(), 32))
}

fn refused(error: StoreError) -> WebhookError {
    match error {
        StoreError::Conflict(_) => WebhookError::Invalid("url", "Url has already been taken".to_owned()),
        StoreError::LimitReached(_) => WebhookError::AccountFull,
        other => WebhookError::Store(other),
    }
}

async fn known_inbox(member: &Member, inbox: Option<InboxId>) -> Result<Option<InboxId>, WebhookError> {
    let Some(inbox) = inbox else { return Ok(None) };
    match member.scope.inbox(inbox).await? {
        Some(_) => Ok(Some(inbox)),
        None => Err(WebhookError::Invalid("inbox_id", "There is no such inbox".to_owned())),
    }
}

fn checked_name(name: Option<String>) -> Result<Option<String>, WebhookError> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    match &name {
        Some(long) if long.chars().count() > MAX_NAME_CHARS => {
            Err(WebhookError::Invalid("name", format!("Name is too long (maximum is {MAX_NAME_CHARS} characters)")))
        }
        _ => Ok(name),
    }
}

fn checked_subscriptions(names: Vec<String>) -> Result<Vec<String>, WebhookError> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        if !SUBSCRIPTIONS.contains(&name.as_str()) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(WebhookError::Invalid("subscriptions", format!("There is no event called {shown}")));
        }
        if !known.contains(&name) {
            known.push(name);
        }
    }
    if known.is_empty() {
        return Err(WebhookError::Invalid("subscriptions", "Subscriptions can't be blank".to_owned()));
    }
    Ok(known)
}

/// What can be told at all. Where a name leads is looked at again with every request.
fn checked_url(app: &App, text: &str) -> Result<String, WebhookError> {
    let wrong = |why: &str| WebhookError::Invalid("url", format!("Url {why}"));
    let text = text.trim();
    if text.chars().count() > MAX_URL_CHARS {
        return Err(wrong("is too long (maximum is 2048 characters)"));
    }
    let url = Url::parse(text).map_err(|_| wrong("is not a web address"))?;
    match url.scheme() {
        "https" => {}
        "http" if app.connector().may_ask_plain_http() => {}
        _ => return Err(wrong("must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold a user name or password"));
    }
    // As it is kept and asked: what is not ASCII is three times as long.
    if url.as_str().len() > MAX_URL_CHARS {
        return Err(wrong("is too long (maximum is 2048 characters)"));
    }
    let host = url.host_str().ok_or_else(|| wrong("names no host"))?;
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>()
        && !app.settings().webhook_private_networks
        && !net::policy::may_contact(net::Trust::Tenant, address)
    {
        return Err(wrong("leads to an address that may not be contacted from here"));
    }
    Ok(url.into())
}

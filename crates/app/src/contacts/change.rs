//! A contact is made or changed by an agent.

use super::ContactError;
use crate::accounts::Member;
use crate::conversations::snapshot;
use crate::{App, Hint};
use domain::contact::Contact;
use domain::event::EventKind;
use domain::{ContactId, EmailAddress, InboxId};
use serde_json::{Value, json};
use store::{ContactChange, ContactInbox, NewContact, StoreError, Taken, Tx};

const MAX_TEXT_CHARS: usize = 255;
const MAX_ATTRIBUTES_BYTES: usize = 64 * 1024;
const MAX_ATTRIBUTES: usize = 200;

/// As it was sent. `None` leaves a field, `Some(None)` takes its value away.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub name: Option<String>,
    pub email: Option<Option<String>>,
    pub phone_number: Option<Option<String>>,
    pub identifier: Option<Option<String>>,
    pub blocked: Option<bool>,
    pub additional_attributes: Option<Value>,
    pub custom_attributes: Option<Value>,
}

/// The inbox to make a new contact known in, under this name or its address.
#[derive(Clone, Debug)]
pub struct Known {
    pub inbox: InboxId,
    pub source_id: Option<String>,
}

pub async fn create(
    app: &App,
    member: &Member,
    sent: Sent,
    known: Option<Known>,
) -> Result<(Contact, Option<ContactInbox>), ContactError> {
    let change = checked(sent)?;
    if let Some(known) = &known {
        see_inbox(member, known.inbox).await?;
    }
    let new = NewContact {
        name: change.name.clone().unwrap_or_default(),
        email: change.email.clone().flatten(),
        phone_number: change.phone_number.clone().flatten(),
        identifier: change.identifier.clone().flatten(),
        additional_attributes: change.additional_attributes.clone().unwrap_or_else(|| json!({})),
        custom_attributes: change.custom_attributes.clone().unwrap_or_else(|| json!({})),
        last_activity_at: None,
    };
    let mut tx = member.scope.begin().await?;
    not_taken(&mut tx, None, &change).await?;
    let mut contact = tx.create_contact(&new).await.map_err(taken_meanwhile)?;
    if change.blocked == Some(true) {
        let blocked = ContactChange { blocked: Some(true), ..ContactChange::default() };
        contact = tx.change_contact(&contact, &blocked).await?;
    }
    let inbox = match &known {
        Some(known) => Some(tx.add_contact_inbox(&contact, known.inbox, &source_of(&contact, known)).await?),
        None => None,
    };
    tx.append_event(EventKind::ContactCreated, None, None, snapshot::contact_event(&contact));
    tx.commit().await?;
    app.wake(Hint::Account(contact.account_id));
    Ok((contact, inbox))
}

pub async fn update(app: &App, member: &Member, id: ContactId, sent: Sent) -> Result<Contact, ContactError> {
    let change = checked(sent)?;
    let mut tx = member.scope.begin().await?;
    let contact = locked(&mut tx, id).await?;
    not_taken(&mut tx, Some(id), &change).await?;
    let changed = tx.change_contact(&contact, &change).await.map_err(taken_meanwhile)?;
    for attributes in [&changed.additional_attributes, &changed.custom_attributes] {
        small_enough(attributes)?;
    }
    if changed == contact {
        tx.rollback().await?;
        return Ok(contact);
    }
    tx.append_event(EventKind::ContactUpdated, None, None, snapshot::contact_event(&changed));
    tx.commit().await?;
    app.wake(Hint::Account(changed.account_id));
    Ok(changed)
}

/// Makes a contact known in an inbox that the member sees.
pub async fn add_inbox(member: &Member, id: ContactId, known: Known) -> Result<ContactInbox, ContactError> {
    see_inbox(member, known.inbox).await?;
    if known.source_id.as_ref().is_some_and(|source| source.chars().count() > MAX_TEXT_CHARS) {
        return Err(ContactError::invalid("source_id", "Source is too long (maximum is 255 characters)"));
    }
    let mut tx = member.scope.begin().await?;
    let contact = locked(&mut tx, id).await?;
    let inbox = tx.add_contact_inbox(&contact, known.inbox, &source_of(&contact, &known)).await?;
    tx.commit().await?;
    Ok(inbox)
}

pub(super) async fn locked(tx: &mut Tx, id: ContactId) -> Result<Contact, ContactError> {
    tx.lock_contacts_by_id(&[id]).await?.pop().ok_or(ContactError::NotFound)
}

/// An inbox of others answers like one that does not exist.
async fn see_inbox(member: &Member, inbox: InboxId) -> Result<(), ContactError> {
    let there = member.visibility.sees(inbox) && member.scope.inbox(inbox).await?.is_some();
    if there { Ok(()) } else { Err(ContactError::NotFound) }
}

fn source_of(contact: &Contact, known: &Known) -> String {
    known.source_id.clone().or_else(|| contact.email.clone()).unwrap_or_default()
}

async fn not_taken(tx: &mut Tx, but: Option<ContactId>, change: &ContactChange) -> Result<(), ContactError> {
    let phone_number = change.phone_number.as_ref().and_then(Option::as_deref);
    let identifier = change.identifier.as_ref().and_then(Option::as_deref);
    tx.contact_taken(but, phone_number, identifier).await?.map_or(Ok(()), |what| Err(taken(what)))
}

fn taken(what: Taken) -> ContactError {
    match what {
        Taken::PhoneNumber => ContactError::invalid("phone_number", "Phone number has already been taken"),
        Taken::Identifier => ContactError::invalid("identifier", "Identifier has already been taken"),
        Taken::Email => ContactError::invalid("email", "Email has already been taken"),
    }
}

fn taken_meanwhile(error: StoreError) -> ContactError {
    match error {
        StoreError::Conflict(conflict) => taken(Taken::of(&conflict)),
        error => error.into(),
    }
}

fn checked(sent: Sent) -> Result<ContactChange, ContactError> {
    let too_long = |text: &String| text.chars().count() > MAX_TEXT_CHARS;
    // An empty text is no value.
    let given = |value: Option<Option<String>>| {
        value.map(|value| value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
    };
    let name = sent.name.map(|name| name.trim().to_owned());
    if name.as_ref().is_some_and(too_long) {
        return Err(ContactError::invalid("name", "Name is too long (maximum is 255 characters)"));
    }
    let email = match given(sent.email) {
        Some(Some(text)) => match EmailAddress::parse(&text) {
            Some(email) => Some(Some(email)),
            None => return Err(ContactError::invalid("email", "Email Invalid email")),
        },
        Some(None) => Some(None),
        None => None,
    };
    let phone_number = given(sent.phone_number);
    if phone_number.iter().flatten().any(|number| !is_e164(number)) {
        return Err(ContactError::invalid("phone_number", "Phone number should be in e164 format"));
    }
    let identifier = given(sent.identifier);
    if identifier.iter().flatten().any(too_long) {
        return Err(ContactError::invalid("identifier", "Identifier is too long (maximum is 255 characters)"));
    }
    for attributes in [&sent.additional_attributes, &sent.custom_attributes].into_iter().flatten() {
        small_enough(attributes)?;
    }
    Ok(ContactChange {
        name,
        email,
        phone_number,
        identifier,
        blocked: sent.blocked,
        additional_attributes: sent.additional_attributes,
        custom_attributes: sent.custom_attributes,
    })
}

fn small_enough(attributes: &Value) -> Result<(), ContactError> {
    let fields = attributes.as_object().map_or(0, serde_json::Map::len);
    if fields > MAX_ATTRIBUTES || attributes.to_string().len() > MAX_ATTRIBUTES_BYTES {
        return Err(ContactError::invalid(
            "custom_attributes",
            "Attributes are too many or too long (maximum is 200, and 64 kB)",
        ));
    }
    Ok(())
}

/// A plus and up to fifteen digits (ITU-T E.164), as Chatwoot has it.
fn is_e164(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (2..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

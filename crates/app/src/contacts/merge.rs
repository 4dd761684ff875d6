//! Two contacts are one person: the base keeps what it has, and takes what the other has said and what it lacks.

use super::ContactError;
use crate::accounts::Member;
use crate::conversations::snapshot;
use crate::{App, Hint};
use domain::ContactId;
use domain::contact::Contact;
use domain::event::EventKind;
use store::StoreError;

/// From now on, mail from either's addresses is the base's.
pub async fn merge(app: &App, member: &Member, base: ContactId, mergee: ContactId) -> Result<Contact, ContactError> {
    if base == mergee {
        return Err(ContactError::invalid("mergee_contact_id", "A contact cannot be merged with itself"));
    }
    let mut tx = member.scope.begin().await?;
    let both = tx.lock_contacts_by_id(&[base, mergee]).await?;
    let one = |id: ContactId| both.iter().find(|contact| contact.id == id).ok_or(ContactError::NotFound);
    let merged = tx.merge_contacts(one(base)?, one(mergee)?).await.map_err(|error| match error {
        StoreError::LimitReached(_) => ContactError::TooMuch,
        error => error.into(),
    })?;
    let mut payload = snapshot::contact_event(&merged);
    payload["merged_contact_id"] = mergee.0.into();
    tx.append_event(EventKind::ContactMerged, None, None, payload);
    tx.commit().await?;
    app.wake(Hint::Account(merged.account_id));
    Ok(merged)
}

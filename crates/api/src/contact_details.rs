//! What stands beside one contact: labels, notes, inboxes, conversations and files.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::shape;
use crate::tags::Tag;
use app::contacts::change::{self, Known};
use app::contacts::{self, details};
use domain::{ContactId, InboxId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use wire::agent::Agent;
use wire::attachment::{Attachment, AttachmentList, AttachmentMeta};
use wire::contact::{
    ContactConversations, ContactInbox, ContactLabelList, ContactLabels, ContactNote, ContactableInboxes,
    NewContactInbox, NewContactNote,
};

pub struct ContactDetailsApi;

#[OpenApi(tag = "Tag::Contacts")]
impl ContactDetailsApi {
    /// List a contact's labels
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/labels",
        method = "get",
        operation_id = "list_contact_labels"
    )]
    async fn labels(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
    ) -> Result<Json<ContactLabelList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let payload = details::labels(auth.app(), &member, ContactId(contact_id.0)).await?;
        Ok(Json(ContactLabelList { payload }))
    }

    /// Set a contact's labels
    ///
    /// Exactly these.
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/labels",
        method = "post",
        operation_id = "set_contact_labels"
    )]
    async fn set_labels(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        body: Json<ContactLabels>,
    ) -> Result<Json<ContactLabelList>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let payload = details::set_labels(auth.app(), &member, ContactId(contact_id.0), &body.0.labels).await?;
        Ok(Json(ContactLabelList { payload }))
    }

    /// List a contact's conversations
    ///
    /// The latest 20 of those that one sees, of every status.
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/conversations",
        method = "get",
        operation_id = "list_contact_conversations"
    )]
    async fn conversations(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
    ) -> Result<Json<ContactConversations>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let views = details::conversations(auth.app(), &member, ContactId(contact_id.0)).await?;
        let links = shape::links(auth.app(), &member).await?;
        Ok(Json(ContactConversations { payload: views.iter().map(|view| shape::conversation(view, &links)).collect() }))
    }

    /// List a contact's files
    ///
    /// Of the conversations that one sees, the newest first, 100 a page; images that stand inside a mail's HTML are left out.
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/attachments",
        method = "get",
        operation_id = "list_contact_attachments"
    )]
    async fn attachments(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<AttachmentList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let id = ContactId(contact_id.0);
        let (found, count) = details::attachments(auth.app(), &member, id, page.0.unwrap_or(1).max(1)).await?;
        let links = shape::links(auth.app(), &member).await?;
        Ok(Json(AttachmentList {
            meta: AttachmentMeta { total_count: i64::try_from(count).unwrap_or(i64::MAX) },
            payload: found.iter().map(|attachment| Attachment::new(attachment, &links)).collect(),
        }))
    }

    /// List the inboxes from which one may write to a contact
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/contactable_inboxes",
        method = "get",
        operation_id = "list_contactable_inboxes"
    )]
    async fn contactable(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
    ) -> Result<Json<ContactableInboxes>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let inboxes = details::contactable(auth.app(), &member, ContactId(contact_id.0)).await?;
        let payload = inboxes.into_iter().map(|(source, inbox)| ContactInbox::new(source, &inbox)).collect();
        Ok(Json(ContactableInboxes { payload }))
    }

    /// Make a contact known in an inbox
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/contact_inboxes",
        method = "post",
        operation_id = "create_contact_inbox"
    )]
    async fn add_inbox(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        body: Json<NewContactInbox>,
    ) -> Result<Json<ContactInbox>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let known = Known { inbox: InboxId(body.0.inbox_id), source_id: body.0.source_id };
        let known = change::add_inbox(&member, ContactId(contact_id.0), known).await?;
        let (_, inboxes) = details::inboxes(auth.app(), &member, &[known.contact_id]).await?;
        let inbox = inboxes.iter().find(|inbox| inbox.id == known.inbox_id);
        let inbox = inbox.ok_or_else(crate::error::Problem::not_found)?;
        Ok(Json(ContactInbox::new(known.source_id, inbox)))
    }

    /// List a contact's notes
    ///
    /// The newest first; a contact has 1,000 at most.
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/notes",
        method = "get",
        operation_id = "list_contact_notes"
    )]
    async fn notes(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
    ) -> Result<Json<Vec<ContactNote>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let notes = details::notes(auth.app(), &member, ContactId(contact_id.0)).await?;
        Ok(Json(notes.iter().map(note).collect()))
    }

    /// Show a note
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/notes/:note_id",
        method = "get",
        operation_id = "get_contact_note"
    )]
    async fn note(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        note_id: Path<i64>,
    ) -> Result<Json<ContactNote>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let found = details::note(auth.app(), &member, ContactId(contact_id.0), note_id.0).await?;
        Ok(Json(note(&found)))
    }

    /// Add a note
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/notes",
        method = "post",
        operation_id = "create_contact_note"
    )]
    async fn add_note(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        body: Json<NewContactNote>,
    ) -> Result<Json<ContactNote>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let added = details::add_note(auth.app(), &member, ContactId(contact_id.0), &body.0.content).await?;
        Ok(Json(note(&added)))
    }

    /// Change a note
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/notes/:note_id",
        method = "patch",
        operation_id = "update_contact_note"
    )]
    async fn change_note(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        note_id: Path<i64>,
        body: Json<NewContactNote>,
    ) -> Result<Json<ContactNote>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let id = ContactId(contact_id.0);
        Ok(Json(note(&details::change_note(auth.app(), &member, id, note_id.0, &body.0.content).await?)))
    }

    /// Delete a note
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id/notes/:note_id",
        method = "delete",
        operation_id = "delete_contact_note"
    )]
    async fn delete_note(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        note_id: Path<i64>,
    ) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        details::delete_note(auth.app(), &member, ContactId(contact_id.0), note_id.0).await?;
        Ok(())
    }
}

fn note(note: &contacts::ContactNote) -> ContactNote {
    ContactNote {
        id: note.id,
        content: note.content.clone(),
        contact_id: note.contact_id.0,
        user: Agent::from(&note.author),
        created_at: note.created_at.seconds(),
        updated_at: note.updated_at.seconds(),
    }
}

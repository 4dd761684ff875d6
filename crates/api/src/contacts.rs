//! People outside: listed, found, made, changed, merged, deleted.

use crate::auth::Auth;
use crate::error::{Acting, Problem, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::App;
use app::accounts::Member;
use app::contacts::change::{Known, Sent};
use app::contacts::filter::Line;
use app::contacts::{self, CONTACTS_PER_PAGE, ContactFilter, ContactSortField, change, details, erase, filter, merge};
use domain::{ContactId, InboxId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::contact::{
    Contact, ContactAndInbox, ContactCreated, ContactFields, ContactFilterBody, ContactFilterLine, ContactInbox,
    ContactList, ContactMerge, ContactMeta, ContactSearch, ContactSearchMeta, ContactShown, NewContact,
};

pub struct ContactsApi;

#[OpenApi(tag = "Tag::Contacts")]
impl ContactsApi {
    /// List contacts
    ///
    /// 15 a page.
    #[oai(path = "/api/v1/accounts/:account_id/contacts", method = "get", operation_id = "list_contacts")]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
        /// `name`, `email`, `phone_number`, `last_activity_at` or `created_at`; with `-` before it the other way round.
        #[oai(validator(max_length = 32))]
        sort: Query<Option<String>>,
        /// Any of them.
        #[oai(name = "labels[]", validator(max_items = 50))]
        labels: Query<Option<Vec<String>>>,
        /// With the inboxes in which each is known.
        include_contact_inboxes: Query<Option<bool>>,
    ) -> Result<Json<ContactList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let labels = labels.0.unwrap_or_default().into_iter().map(|label| label.to_lowercase()).collect();
        let filter = ContactFilter { labels, ..asked(page.0, sort.0)? };
        let (found, count) = contacts::list(auth.app(), &member, &filter).await?;
        let payload = shown(auth.app(), &member, &found, include_contact_inboxes.0 == Some(true)).await?;
        Ok(Json(ContactList { meta: meta(count, filter.page), payload }))
    }

    /// Find contacts
    ///
    /// 15 a page. All words must stand in name, addresses, phone number or identifier; of the last one the beginning is enough.
    #[oai(path = "/api/v1/accounts/:account_id/contacts/search", method = "get", operation_id = "search_contacts")]
    async fn search(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
        /// As for the list.
        #[oai(validator(max_length = 32))]
        sort: Query<Option<String>>,
        include_contact_inboxes: Query<Option<bool>>,
    ) -> Result<Json<ContactSearch>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let Some(q) = q.0.filter(|q| !q.trim().is_empty()) else {
            return Err(Problem::bad_request("q: Specify search string with parameter q").into());
        };
        let filter = ContactFilter { q: Some(q), ..asked(page.0, sort.0)? };
        let (found, count) = contacts::list(auth.app(), &member, &filter).await?;
        let payload = shown(auth.app(), &member, &found, include_contact_inboxes.0 == Some(true)).await?;
        let before = u64::from(filter.page) * u64::from(CONTACTS_PER_PAGE);
        let ContactMeta { count: all, current_page } = meta(count, filter.page);
        Ok(Json(ContactSearch {
            meta: ContactSearchMeta { count: all, current_page, has_more: count > before },
            payload,
        }))
    }

    /// Filter contacts
    ///
    /// 15 a page, whoever wrote last first. Lines are joined one after the other.
    #[oai(path = "/api/v1/accounts/:account_id/contacts/filter", method = "post", operation_id = "filter_contacts")]
    async fn filter(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
        body: Json<ContactFilterBody>,
    ) -> Result<Json<ContactList>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let page = page.0.unwrap_or(1).max(1);
        let lines = body.0.payload.into_iter().map(line).collect::<Result<Vec<_>, _>>()?;
        let (found, count) = filter::filter(auth.app(), &member, &lines, page).await?;
        Ok(Json(ContactList { meta: meta(count, page), payload: found.iter().map(Contact::from).collect() }))
    }

    /// Add a contact
    #[oai(path = "/api/v1/accounts/:account_id/contacts", method = "post", operation_id = "create_contact")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<NewContact>,
    ) -> Result<Json<ContactCreated>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let NewContact { fields, inbox_id, source_id } = body.0;
        let known = inbox_id.map(|id| Known { inbox: InboxId(id), source_id });
        let (contact, known) = change::create(auth.app(), &member, sent(fields), known).await?;
        let (_, inboxes) = details::inboxes(auth.app(), &member, &[contact.id]).await?;
        let contact_inbox = known.and_then(|known| {
            let inbox = inboxes.iter().find(|inbox| inbox.id == known.inbox_id)?;
            Some(ContactInbox::new(known.source_id, inbox))
        });
        let mut shown = Contact::from(&contact);
        shown.contact_inboxes = Some(contact_inbox.iter().cloned().collect());
        Ok(Json(ContactCreated { payload: ContactAndInbox { contact: shown, contact_inbox } }))
    }

    /// Show a contact
    #[oai(path = "/api/v1/accounts/:account_id/contacts/:contact_id", method = "get", operation_id = "get_contact")]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
    ) -> Result<Json<ContactShown>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let contact = contacts::show(auth.app(), &member, ContactId(contact_id.0)).await?;
        Ok(Json(ContactShown { payload: one(auth.app(), &member, contact).await? }))
    }

    /// Change a contact
    ///
    /// Attributes are put over those that are there. A blocked contact's mail is kept and stays quiet.
    #[oai(path = "/api/v1/accounts/:account_id/contacts/:contact_id", method = "put", operation_id = "update_contact")]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        body: Json<ContactFields>,
    ) -> Result<Json<ContactShown>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let contact = change::update(auth.app(), &member, ContactId(contact_id.0), sent(body.0)).await?;
        Ok(Json(ContactShown { payload: one(auth.app(), &member, contact).await? }))
    }

    /// Change a contact
    ///
    /// The same as `PUT`.
    #[oai(path = "/api/v1/accounts/:account_id/contacts/:contact_id", method = "patch", operation_id = "patch_contact")]
    async fn patch(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        contact_id: Path<i64>,
        body: Json<ContactFields>,
    ) -> Result<Json<ContactShown>, Refusal<Writing>> {
        self.update(auth, account_id, contact_id, body).await
    }

    /// Delete a contact
    ///
    /// Administrators only. Everything they said goes with them, soon after: their conversations, and what they wrote in others'. A mail they
    /// write after that is a stranger's.
    #[oai(
        path = "/api/v1/accounts/:account_id/contacts/:contact_id",
        method = "delete",
        operation_id = "delete_contact"
    )]
    async fn delete(&self, auth: Auth, account_id: Path<i64>, contact_id: Path<i64>) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        erase::delete(auth.app(), &member, ContactId(contact_id.0)).await?;
        Ok(())
    }

    /// Merge two contacts
    ///
    /// Conversations, messages, addresses, notes, labels and inboxes of the mergee become the base's, who keeps what they have and takes what
    /// they lack. At most 5,000 conversations and 5,000 messages move at once.
    #[oai(
        path = "/api/v1/accounts/:account_id/actions/contact_merge",
        method = "post",
        operation_id = "merge_contacts"
    )]
    async fn merge(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<ContactMerge>,
    ) -> Result<Json<Contact>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let (base, mergee) = (ContactId(body.0.base_contact_id), ContactId(body.0.mergee_contact_id));
        let merged = merge::merge(auth.app(), &member, base, mergee).await?;
        Ok(Json(one(auth.app(), &member, merged).await?))
    }
}

fn asked(page: Option<u32>, sort: Option<String>) -> Result<ContactFilter, Problem> {
    let mut filter = ContactFilter { page: page.unwrap_or(1).max(1), ..ContactFilter::default() };
    if let Some(sort) = sort.filter(|sort| !sort.is_empty()) {
        let (field, descending) = sort.strip_prefix('-').map_or((sort.as_str(), false), |field| (field, true));
        filter.sort = ContactSortField::parse(field)
            .ok_or_else(|| Problem::bad_request("sort: contacts cannot be sorted by this"))?;
        filter.descending = descending;
    }
    Ok(filter)
}

fn meta(count: u64, page: u32) -> ContactMeta {
    ContactMeta { count: i64::try_from(count).unwrap_or(i64::MAX), current_page: page.into() }
}

async fn one(app: &App, member: &Member, contact: domain::contact::Contact) -> Result<Contact, Problem> {
    let mut shown = shown(app, member, std::slice::from_ref(&contact), true).await?;
    shown.pop().ok_or_else(Problem::not_found)
}

async fn shown(
    app: &App,
    member: &Member,
    contacts: &[domain::contact::Contact],
    with_inboxes: bool,
) -> Result<Vec<Contact>, Problem> {
    let mut shown: Vec<Contact> = contacts.iter().map(Contact::from).collect();
    if with_inboxes && !shown.is_empty() {
        let ids: Vec<ContactId> = contacts.iter().map(|contact| contact.id).collect();
        let (known, inboxes) = details::inboxes(app, member, &ids).await?;
        for contact in &mut shown {
            let of_them = known.iter().filter(|known| known.contact_id.0 == contact.id);
            let shown = of_them.filter_map(|known| {
                let inbox = inboxes.iter().find(|inbox| inbox.id == known.inbox_id)?;
                Some(ContactInbox::new(known.source_id.clone(), inbox))
            });
            contact.contact_inboxes = Some(shown.collect());
        }
    }
    Ok(shown)
}

fn sent(fields: ContactFields) -> Sent {
    let changed = |field: MaybeUndefined<String>| match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(text) => Some(Some(text)),
    };
    Sent {
        name: changed(fields.name).map(Option::unwrap_or_default),
        email: changed(fields.email),
        phone_number: changed(fields.phone_number),
        identifier: changed(fields.identifier),
        blocked: fields.blocked,
        additional_attributes: fields.additional_attributes.map(wire::JsonObject::into_value),
        custom_attributes: fields.custom_attributes.map(wire::JsonObject::into_value),
    }
}

fn line(line: ContactFilterLine) -> Result<Line, Problem> {
    let or_next = match line.query_operator.as_deref().unwrap_or_default().to_ascii_uppercase().as_str() {
        "" | "AND" => false,
        "OR" => true,
        _ => return Err(Problem::bad_request("query_operator: AND or OR")),
    };
    Ok(Line {
        key: line.attribute_key,
        operator: line.filter_operator,
        values: line.values.unwrap_or_default(),
        or_next,
    })
}

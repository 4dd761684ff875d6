//! People outside.

use crate::auth::Auth;
use crate::error::{Problem, Reading, Refusal};
use crate::tags::Tag;
use app::contacts::{self, ContactFilter, ContactSortField};
use domain::ContactId;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use wire::contact::{Contact, ContactList, ContactMeta, ContactShown};

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
    ) -> Result<Json<ContactList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let mut filter = ContactFilter { page: page.0.unwrap_or(1).max(1), ..ContactFilter::default() };
        if let Some(sort) = sort.0.filter(|sort| !sort.is_empty()) {
            let (field, descending) = sort.strip_prefix('-').map_or((sort.as_str(), false), |field| (field, true));
            filter.sort = ContactSortField::parse(field)
                .ok_or_else(|| Problem::bad_request("sort: contacts cannot be sorted by this"))?;
            filter.descending = descending;
        }
        let (contacts, count) = contacts::list(auth.app(), &member, &filter).await?;
        Ok(Json(ContactList {
            meta: ContactMeta { count: i64::try_from(count).unwrap_or(i64::MAX), current_page: filter.page.into() },
            payload: contacts.iter().map(Contact::from).collect(),
        }))
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
        Ok(Json(ContactShown { payload: (&contact).into() }))
    }
}

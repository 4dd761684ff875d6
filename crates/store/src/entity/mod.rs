//! Rows as sea-orm sees them. They never leave this crate; tenants' tables are read and written through `scope::tenant` only.

use sea_orm::EntityTrait;

/// An entity whose rows belong to an account.
pub(crate) trait Tenant: EntityTrait {
    const ACCOUNT: Self::Column;
}

/// What every entity ends with. Relations are joins in SQL, so that none can forget the account.
macro_rules! entity {
    ($($tenant:ident)?) => {
        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}

        $(entity!(@ $tenant);)?
    };
    (@ tenant) => {
        impl super::Tenant for Entity {
            const ACCOUNT: Column = Column::AccountId;
        }
    };
}
pub(crate) mod account;
pub(crate) mod account_key;
pub(crate) mod account_user;
pub(crate) mod api_token;
pub(crate) mod attachment;
pub(crate) mod channel_folder;
pub(crate) mod connection;
pub(crate) mod contact;
pub(crate) mod conversation;
pub(crate) mod delivery;
pub(crate) mod email_channel;
pub(crate) mod grant;
pub(crate) mod inbox;
pub(crate) mod message;
pub(crate) mod raw_email;
pub(crate) mod user;

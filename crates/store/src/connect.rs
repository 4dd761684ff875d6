//! Opening the database.
use crate::{Backend, Connections, Operator, Relay, Result, SchemaState, SignIn, StoreConfig, Sync};
#[derive(Clone, Debug)]
pub struct Store {}
/// Held by the one process that serves from a SQLite file; dropped, it lets the next one in. PostgreSQL needs none.
#[derive(Debug)]
pub struct ServingLock {}
impl Store {
    pub async fn connect(_config: StoreConfig) -> Result<Self> {
        todo!()
    }
    /// Brings the schema up to date; safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<()> {
        todo!()
    }
    pub async fn schema(&self) -> Result<SchemaState> {
        todo!()
    }
    /// `Err` unless this version can work with the database's schema.
    pub async fn check_schema(&self) -> Result<()> {
        todo!()
    }
    pub async fn ping(&self) -> Result<()> {
        todo!()
    }
    pub fn backend(&self) -> Backend {
        todo!()
    }
    /// Refuses a second serving process on the same SQLite file (`StoreError::AlreadyServing`).
    pub fn lock_for_serving(&self) -> Result<ServingLock> {
        todo!()
    }
    pub async fn close(&self) {
        todo!()
    }
    pub fn sign_in(&self) -> SignIn {
        todo!()
    }
    pub fn operator(&self) -> Operator {
        todo!()
    }
    pub fn connections(&self) -> Connections {
        todo!()
    }
    pub fn relay(&self) -> Relay {
        todo!()
    }
    pub fn sync(&self) -> Sync {
        todo!()
    }
}

//! The store on SQLite, and on PostgreSQL when `POSTROOM_TEST_POSTGRES` names a server (scripts/test always starts one).

mod connecting;
mod conversing;
mod fetching;
mod owing;
mod people;
mod schema;
mod tenancy;
mod world;

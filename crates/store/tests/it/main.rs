//! The store on SQLite, and on PostgreSQL when `POSTROOM_TEST_POSTGRES` names a server (scripts/test always starts one).

#[cfg(test)]
mod auditing;
#[cfg(test)]
mod connect_links;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod conversing;
#[cfg(test)]
mod fetching;
#[cfg(test)]
mod filtering;
#[cfg(test)]
mod following;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod oauth_apps;
#[cfg(test)]
mod organising;
#[cfg(test)]
mod owing;
#[cfg(test)]
mod pending;
#[cfg(test)]
mod people;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod searching;
#[cfg(test)]
mod sweeping;
#[cfg(test)]
mod tenancy;
#[cfg(test)]
mod world;

//! The API over real requests, on a real SQLite store in a temporary folder. Nothing is mocked; nothing leaves the process.

mod bans;
mod bodies;
mod conversation;
mod desk;
mod document;
mod inboxes;
mod limits;
mod pages;
mod permissions;
mod profile;
mod refusals;
mod session;
mod world;

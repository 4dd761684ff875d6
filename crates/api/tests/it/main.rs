//! The API over real requests, on a real SQLite store in a temporary folder. Nothing is mocked; nothing leaves the process.

mod attention;
mod bans;
mod bodies;
mod clients_habits;
mod contacts;
mod conversation;
mod dashboard;
mod desk;
mod document;
mod events;
mod inboxes;
mod left_behind;
mod limits;
mod many;
mod notifications;
mod organising;
mod pages;
mod people;
mod permissions;
mod profile;
mod refusals;
mod searching;
mod session;
mod stream;
mod tokens;
mod world;

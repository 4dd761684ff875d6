//! A piece of a snapshot, read leniently: another version may have written it.

use domain::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a>(&'a Value);

impl<'a> Part<'a> {
    pub fn of(value: &'a Value) -> Self {
        Self(value)
    }

    pub fn value(self, name: &str) -> &'a Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// `None` for what is not there, and for null.
    pub fn part(self, name: &str) -> Option<Self> {
        self.0.get(name).filter(|value| value.is_object()).map(Self)
    }

    pub fn parts(self, name: &str) -> impl Iterator<Item = Self> {
        self.value(name).as_array().into_iter().flatten().map(Self)
    }

    pub fn text(self, name: &str) -> Option<String> {
        self.value(name).as_str().map(str::to_owned)
    }

    pub fn text_or_empty(self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    pub fn texts(self, name: &str) -> Vec<String> {
        self.value(name).as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub fn number(self, name: &str) -> Option<i64> {
        self.value(name).as_i64()
    }

    pub fn id(self, name: &str) -> i64 {
        self.number(name).unwrap_or_default()
    }

    pub fn is(self, name: &str) -> bool {
        self.value(name).as_bool().unwrap_or_default()
    }

    /// Snapshots have microseconds.
    pub fn time(self, name: &str) -> Option<Timestamp> {
        self.number(name).map(Timestamp)
    }

    pub fn seconds(self, name: &str) -> i64 {
        self.time(name).map_or(0, Timestamp::seconds)
    }

    /// Something that is kept as the domain writes it.
    pub fn kept<T: DeserializeOwned>(self, name: &str) -> Option<T> {
        serde_json::from_value(self.value(name).clone()).ok()
    }
}

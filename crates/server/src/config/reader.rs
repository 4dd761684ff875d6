//! Reads variables one by one and collects everything that is wrong with them, so that a person mends all of it at once.

use super::Problem;
use super::variables::VARIABLES;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// Variables by name, and what was found out about them so far.
#[derive(Debug, Default)]
pub struct Reader {
    values: BTreeMap<String, String>,
    problems: Vec<Problem>,
    notes: Vec<String>,
    only_looks: bool,
}

impl Reader {
    /// From the process's environment, and from `.env` for what is not set there.
    pub fn from_environment() -> Self {
        let mut reader = Self::default();
        match dotenvy::dotenv_iter() {
            Ok(lines) => {
                for line in lines {
                    match line {
                        Ok((name, value)) => {
                            reader.values.insert(name, value);
                        }
                        Err(error) => reader.problem(".env", &error.to_string(), "Correct that line of the file."),
                    }
                }
            }
            Err(error) if error.not_found() => {}
            Err(error) => reader.problem(".env", &error.to_string(), "Make the file readable, or remove it."),
        }
        for (name, value) in std::env::vars_os() {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                reader.values.insert(name.to_owned(), value.to_owned());
            } else if let Some(variable) = VARIABLES.iter().find(|v| name == v.name) {
                reader.problem(variable.name, "the value is not UTF-8 text", "Set it anew.");
            }
        }
        reader
    }

    /// From these variables alone.
    #[cfg(any(test, feature = "demo"))]
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { values, ..Self::default() }
    }

    /// For whoever only wants to know: nothing is made or written while reading.
    #[must_use]
    pub fn only_looking(self) -> Self {
        Self { only_looks: true, ..self }
    }

    pub fn only_looks(&self) -> bool {
        self.only_looks
    }

    pub fn problem(&mut self, name: &str, what: &str, cure: &str) {
        self.problems.push(Problem { name: name.to_owned(), what: what.to_owned(), cure: cure.to_owned() });
    }

    /// Something a person should know although nothing is wrong. Logging has not begun yet, so it is kept until it has.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// The problems, and the notes.
    pub fn finish(self) -> (Vec<Problem>, Vec<String>) {
        (self.problems, self.notes)
    }

    /// The value; an empty one is none.
    pub fn text(&self, name: &str) -> Option<String> {
        debug_assert!(VARIABLES.iter().any(|v| v.name == name), "{name} is not in the table of variables");
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// The value read as a `T`, or `default` when there is none or it is no `T` (which is a problem).
    pub fn parsed<T>(&mut self, name: &str, default: T, cure: &str) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(text) = self.text(name) else { return default };
        text.parse().unwrap_or_else(|error: T::Err| {
            self.problem(name, &format!("{text:?} cannot be read ({error})"), cure);
            default
        })
    }

    /// A number from `least` to `most`.
    pub fn number(&mut self, name: &str, default: u32, least: u32, most: u32) -> u32 {
        let cure = format!("Set a whole number from {least} to {most}, or remove it for {default}.");
        let Some(text) = self.text(name) else { return default };
        match text.parse::<i64>() {
            Ok(number) => {
                if let Some(number) = u32::try_from(number).ok().filter(|number| (least..=most).contains(number)) {
                    return number;
                }
                self.problem(name, &format!("{number} is out of range"), &cure);
            }
            Err(_) => self.problem(name, &format!("{text:?} is no whole number"), &cure),
        }
        default
    }
}

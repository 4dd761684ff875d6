//! The key ring that seals secrets at rest: POSTROOM_SECRET_KEY.
//!
//! In development a key is made when none is set, and kept in the data folder, so that what it sealed opens again after a restart. In
//! production it never is: a key that lies beside the data it seals protects nothing, and one that is lost takes every connection with it.

use super::reader::Reader;
use app::Environment;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{Entropy, Secret};
use std::path::Path;
use store::KeyRing;

const NAME: &str = "POSTROOM_SECRET_KEY";
const FILE: &str = "development-secret-key";
const CURE: &str = "Make a key with `openssl rand -base64 32`, set POSTROOM_SECRET_KEY=k1:THE_KEY, and keep a copy of it in a safe place.";

pub fn read(reader: &mut Reader, environment: Environment, data_dir: &Path, entropy: &dyn Entropy) -> Option<KeyRing> {
    let text = match (reader.text(NAME), environment) {
        (Some(text), Environment::Production) if !text.contains(':') => {
            reader.problem(NAME, "in production every key needs a name, so that it can be rotated", CURE);
            return None;
        }
        (Some(text), _) => text,
        (None, Environment::Production) => {
            reader.problem(NAME, "it is not set", CURE);
            return None;
        }
        (None, Environment::Development) => match kept_key(data_dir, entropy, reader.only_looks()) {
            Ok(text) => {
                reader.note(format!("{NAME} is not set: using the development key kept in {}", data_dir.display()));
                text
            }
            Err(error) => {
                let what = format!("no key is set, and none could be kept in {} ({error})", data_dir.display());
                reader.problem(NAME, &what, "Set a key, or make the folder writable (POSTROOM_DATA_DIR).");
                return None;
            }
        },
    };
    match KeyRing::parse(&Secret::new(text)) {
        Ok(keys) => Some(keys),
        Err(error) => {
            reader.problem(NAME, &error.to_string(), CURE);
            None
        }
    }
}

fn kept_key(data_dir: &Path, entropy: &dyn Entropy, only_looks: bool) -> std::io::Result<String> {
    let path = data_dir.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut key = [0; 32];
    entropy.fill(&mut key);
    let text = format!("development:{}", STANDARD.encode(key));
    if only_looks {
        return Ok(text);
    }
    crate::folder::make_private(data_dir)?;
    // Written beside and then linked, so that two processes that start together end up with one key.
    let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(text),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(std::fs::read_to_string(&path)?.trim().to_owned())
        }
        Err(error) => Err(error.error),
    }
}

//! Passwords: argon2id, made and checked away from the async threads, a few at a time.
//!
//! Checking takes the same time whether the person exists or not, so that timing tells nobody who has an account.

use argon2::password_hash::{Ident, PasswordHash as Parsed, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use domain::{Entropy, Secret};
use std::sync::{Arc, LazyLock};
use store::PasswordHash;
use tokio::sync::Semaphore;

/// The shortest password that is taken.
pub const MIN_PASSWORD_CHARACTERS: usize = 8;
/// Longer ones would only cost time.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Each hash takes 19 MiB and a core: a flood of sign-ins waits in line instead of taking the machine.
static AT_ONCE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(4)));

/// What is checked against when there is nobody to check against. Its salt is fixed because nothing is protected by it.
static NOBODY: LazyLock<PasswordHash> = LazyLock::new(|| hash_with_salt("nobody has this password", &[0; 16]));

/// OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None).expect("valid parameters"))
}

fn hash_with_salt(password: &str, salt: &[u8; 16]) -> PasswordHash {
    let salt = SaltString::encode_b64(salt).expect("sixteen bytes are a salt");
    let hash = argon2().hash_password(password.as_bytes(), &salt).expect("argon2 takes any password");
    PasswordHash(hash.to_string())
}

pub fn is_acceptable(password: &Secret) -> bool {
    password.expose().chars().count() >= MIN_PASSWORD_CHARACTERS && password.expose().len() <= MAX_PASSWORD_BYTES
}

pub async fn hash(entropy: &dyn Entropy, password: Secret) -> PasswordHash {
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    aside(move || hash_with_salt(password.expose(), &salt)).await
}

/// `stored`: `None` when there is no such person, or no password of theirs.
pub async fn matches(password: Secret, stored: Option<PasswordHash>) -> bool {
    if password.expose().len() > MAX_PASSWORD_BYTES {
        return false;
    }
    aside(move || {
        let known = stored.is_some();
        let hash = stored.unwrap_or_else(|| NOBODY.clone());
        let verified = Parsed::new(&hash.0).is_ok_and(|parsed| {
            parsed.algorithm == Ident::new_unwrap("argon2id")
                && argon2().verify_password(password.expose().as_bytes(), &parsed).is_ok()
        });
        known && verified
    })
    .await
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let permit = AT_ONCE.clone().acquire_owned().await.expect("the semaphore is never closed");
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    })
    .await
    .expect("hashing does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_its_own_hash_and_no_other() {
        let hash = hash(&crate::system::SystemEntropy::new(), Secret::new("correct horse")).await;
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(matches(Secret::new("correct horse"), Some(hash.clone())).await);
        assert!(!matches(Secret::new("Correct horse"), Some(hash)).await);
    }

    #[tokio::test]
    async fn the_hash_that_stands_in_for_nobody_opens_nothing() {
        assert!(!matches(Secret::new("nobody has this password"), None).await);
    }

    #[tokio::test]
    async fn a_stored_hash_that_is_no_hash_opens_nothing() {
        assert!(!matches(Secret::new("anything at all"), Some(PasswordHash("plain".into()))).await);
    }
}

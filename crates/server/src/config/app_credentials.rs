//! What the installation's app proves itself with at Microsoft: a client secret, a certificate with its key, or two of these while one is
//! being replaced.

use super::reader::Reader;
use domain::{Secret, Timestamp};
use oauth::{CertificateError, ClientCertificate, Credential};

const SECRET: &str = "AZURE_APP_SECRET";
const SECOND: &str = "AZURE_APP_SECRET_2";
const CERTIFICATE: &str = "AZURE_APP_CERTIFICATE_FILE";
const KEY: &str = "AZURE_APP_PRIVATE_KEY_FILE";

/// One of the installation's own, with the variable that it came from.
#[derive(Clone, Debug)]
pub struct AppCredential {
    pub variable: &'static str,
    pub credential: Credential,
    pub expires_at: Option<Timestamp>,
}

/// In the order in which they are used: the certificate, then the secrets. Whatever is wrong with them is in the reader.
pub fn read(reader: &mut Reader) -> Vec<AppCredential> {
    let mut found = Vec::new();
    found.extend(certificate(reader));
    for (variable, expires) in [(SECRET, "AZURE_APP_SECRET_EXPIRES_AT"), (SECOND, "AZURE_APP_SECRET_2_EXPIRES_AT")] {
        let expires_at = day(reader, expires);
        match reader.text(variable) {
            Some(secret) => found.push(AppCredential { variable, credential: Credential::secret(secret), expires_at }),
            None if reader.text(expires).is_some() => {
                reader.problem(expires, &format!("{variable} is not set"), "Set the secret too, or remove this.");
            }
            None => {}
        }
    }
    if found.len() > 2 {
        reader.problem(
            CERTIFICATE,
            &format!("{SECRET} and {SECOND} are set as well, and an app has two credentials at most"),
            "Remove the one that is not used any more.",
        );
    }
    if let [first, second] = found.as_slice()
        && let (Credential::Secret(one), Credential::Secret(other)) = (&first.credential, &second.credential)
        && one == other
    {
        reader.problem(SECOND, &format!("it is the same as {SECRET}"), "Set the other secret, or remove it.");
    }
    found
}

fn day(reader: &mut Reader, name: &str) -> Option<Timestamp> {
    let text = reader.text(name)?;
    let day = Timestamp::from_iso_day(&text);
    if day.is_none() {
        reader.problem(
            name,
            &format!("{text:?} is no day"),
            "Write the day on which the secret expires, as 2027-05-31, or remove it.",
        );
    }
    day
}

fn certificate(reader: &mut Reader) -> Option<AppCredential> {
    let (certificate, key) = match (reader.text(CERTIFICATE), reader.text(KEY)) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            reader.problem(
                KEY,
                &format!("{CERTIFICATE} is set and this is not"),
                "Name the file with its private key.",
            );
            return None;
        }
        (None, Some(_)) => {
            reader.problem(
                CERTIFICATE,
                &format!("{KEY} is set and this is not"),
                "Name the file with its certificate.",
            );
            return None;
        }
    };
    let (certificate, key) = (file(reader, CERTIFICATE, &certificate), file(reader, KEY, &key));
    match ClientCertificate::from_pem(&certificate?, &Secret::new(key?)) {
        Ok(certificate) => Some(AppCredential {
            variable: CERTIFICATE,
            expires_at: Some(certificate.not_after()),
            credential: Credential::Certificate(certificate),
        }),
        Err(error) => {
            let name = match error {
                CertificateError::NoCertificate | CertificateError::CertificateUnreadable => CERTIFICATE,
                CertificateError::KeyEncrypted
                | CertificateError::NoKey
                | CertificateError::KeyNotRsa
                | CertificateError::KeySize
                | CertificateError::KeyUnreadable
                | CertificateError::KeyOfAnother => KEY,
            };
            reader.problem(
                name,
                &error.to_string(),
                "Name the files of a certificate and of its own key, both in PEM.",
            );
            None
        }
    }
}

fn file(reader: &mut Reader, name: &str, path: &str) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) => {
            let what = format!("{path:?} cannot be read ({error})");
            reader.problem(name, &what, "Correct the path, and let the user that runs postroom read the file.");
            None
        }
    }
}

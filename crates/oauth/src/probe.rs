//! Whether an application's registration works, asked without anybody signing in.
//!
//! Each credential is tried by itself with a code that nobody was given. Microsoft refuses such a code in any case, as `invalid_grant`
//! where it has taken the credential, and as `invalid_client` where it has not. Nothing is granted, and nothing is used up. Where it says that the
//! request is malformed, it may not have come to the credential at all: that is neither yes nor no (docs/COMPATIBILITY.md).

use crate::{Microsoft, PkceVerifier, errors::is_about_the_grant};
use domain::{Entropy, Failure, FailureClass};

/// As long as a code of Microsoft's, so that it is refused for what it is and not for how it looks.
const MADE_UP_CODE_BYTES: usize = 390;

impl Microsoft {
    /// The authority's own documents can be had: its endpoints, and at least one key.
    pub async fn probe_documents(&self) -> Result<(), Failure> {
        let document = self.discovery().await?;
        self.inner.documents.keys.get(self.inner.clock.as_ref(), self.fetch_keys(&document)).await.map(drop)
    }

    /// What Microsoft says of each credential, in their order.
    pub async fn probe_credentials(&self, entropy: &dyn Entropy) -> Result<Vec<Result<(), Failure>>, Failure> {
        let document = self.discovery().await?;
        let mut said = Vec::new();
        for index in 0..self.inner.credentials.len() {
            let code = format!("1.{}", crate::random_token(entropy, MADE_UP_CODE_BYTES));
            let verifier = PkceVerifier::generate(entropy);
            let call = |us| self.redeem_as(us, &code, &verifier);
            said.push(match self.with_credential(index, &document.token_endpoint, call).await {
                Ok(_) => Ok(()),
                Err(failure) if is_about_the_grant(&failure) => Ok(()),
                Err(failure) => Err(failure),
            });
        }
        Ok(said)
    }

    /// Whether Microsoft knows the application where it is registered, whatever it thinks of its credentials. `Err`: it could not be found out.
    ///
    /// An organisation that has switched the application off is told apart from a Microsoft that has: only the second refuses it here as well.
    pub async fn probe_application(&self, entropy: &dyn Entropy) -> Result<bool, Failure> {
        let said = self.probe_credentials(entropy).await?;
        let knows = |said: &Result<(), Failure>| said.as_ref().err().is_none_or(|it| it.class.is_app_credential());
        if said.iter().any(knows) {
            return Ok(true);
        }
        match said.into_iter().find_map(Result::err) {
            Some(failure) if failure.class != FailureClass::AppMisconfigured => Err(failure),
            Some(_) | None => Ok(false),
        }
    }
}

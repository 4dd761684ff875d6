//! `oauth2`'s requests over our HTTP client, and every way in which that can fail as a [`Failure`].
//!
//! An answer other than 200 is judged here, where its status and `Retry-After` are still known; `oauth2` would lose both.

use crate::errors::classify_token_error;
use domain::{Failure, FailureClass};
use net::{Http, NetError};
use oauth2::{ErrorResponse, HttpRequest, HttpResponse, RequestTokenError, http};
use url::Url;

/// A failure on its way through `oauth2`'s error type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallError(#[from] pub(crate) Failure);

pub(crate) async fn ask(client: &Http, request: HttpRequest) -> Result<HttpResponse, Failure> {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&parts.uri.to_string())
        .map_err(|_| Failure::new(FailureClass::Internal).detail("the token endpoint is not a URL"))?;
    let mut ours = net::HttpRequest::new(parts.method, url, body);
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            ours = ours.header(name.as_str(), value);
        }
    }
    let answer = client.send(ours).await.map_err(|error| unreachable(&error))?;
    if answer.status != 200 {
        return Err(classify_token_error(answer.status, answer.retry_after(), &answer.body));
    }
    http::Response::builder()
        .status(200)
        .header("content-type", answer.header("content-type").unwrap_or("application/json"))
        .body(answer.body.to_vec())
        .map_err(|_| Failure::new(FailureClass::SignInUnavailable).detail("the answer's content type is not one"))
}

/// What kept us from Microsoft is never a reason to ask somebody to sign in again. A certificate that does not verify stays what it
/// is: that is the operator's to mend.
pub(crate) fn unreachable(error: &NetError) -> Failure {
    let failure = error.failure();
    match failure.class {
        FailureClass::TlsFailed
        | FailureClass::TlsUnavailable
        | FailureClass::AppMisconfigured
        | FailureClass::Internal => failure,
        _ => Failure { class: FailureClass::SignInUnavailable, ..failure },
    }
}

/// Never the answer's text: a 200 that could not be read may hold tokens.
pub(crate) fn into_failure<E: ErrorResponse + 'static>(error: RequestTokenError<CallError, E>) -> Failure {
    let unreadable = |why: &str| Failure::new(FailureClass::SignInUnavailable).detail(why);
    match error {
        RequestTokenError::Request(CallError(failure)) => failure,
        RequestTokenError::ServerResponse(_) => unreadable("an error with status 200"),
        RequestTokenError::Parse(error, _) => {
            unreadable(&format!("the answer is not a token answer (at {})", error.path()))
        }
        RequestTokenError::Other(_) => unreadable("the answer is not JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Actor;

    #[test]
    fn nothing_that_keeps_us_from_the_sign_in_service_asks_a_person_outside() {
        let (host, reason) = (|| "login.example".to_owned(), || "because".to_owned());
        for error in [
            NetError::Config(reason()),
            NetError::PlainHttp { host: host() },
            NetError::Unresolved { host: host(), reason: reason() },
            NetError::Forbidden { host: host(), address: [10, 0, 0, 1].into() },
            NetError::Unreachable { host: host(), reason: reason() },
            NetError::TimedOut { host: host(), during: "connecting" },
            NetError::Tls { host: host(), reason: reason() },
            NetError::NoTls { host: host(), reason: reason() },
            NetError::ConnectionLost { host: host(), reason: reason() },
            NetError::NoSlot { host: host(), most: 1 },
            NetError::BodyTooLarge { host: host(), limit_bytes: 1 },
        ] {
            let class = unreachable(&error).class;
            assert!(matches!(class.actor(), Actor::Nobody | Actor::Operator), "{error}: {class:?}");
            assert_eq!(class.retry(), domain::Retry::Later, "{error}: {class:?}");
        }
    }
}
